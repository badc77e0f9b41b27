#include <rft.h>
#include <stdio.h>

static rft_status_t apply(void *text, const rft_entry_t *entries, size_t n) {
    const rft_entry_t *newest = &entries[n - 1]; /* the state machine is a text */
    snprintf(text, 64, "%.*s", (int)newest->len, (const char *)newest->data);
    return RFT_OK;
}
int main(void) {
    char text[64] = "";
    rft_host_t host = {.size = sizeof host, .user_data = text, .apply = apply};
    rft_engine_t *engine = NULL;
    rft_config_t *config = rft_config_new();
    rft_config_set(config, RFT_CONFIG_ID, 1, NULL);
    rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, 0, NULL); /* no callbacks for them */
    rft_config_add_voter(config, 1, NULL);                        /* a cluster of one */
    rft_engine_open(config, "smoke.data", 10, &host, &engine, NULL);
    rft_engine_campaign(engine, NULL);
    rft_status_t status = RFT_E_NOT_LEADER;
    while (status == RFT_E_NOT_LEADER) /* until it leads; then on disk and applied */
        status = rft_engine_propose_wait(engine, (const uint8_t *)"hello", 5, 5000, NULL, NULL);
    puts(text);
    rft_engine_free(engine);
    rft_config_free(config);
}
