#include <rft.h>
#include <stdio.h>

static rft_status_t apply(void *user, const rft_entry_t *entries, size_t n) {
    for (size_t i = 0; i < n; i++) /* the state machine is a text: the newest entry */
        snprintf(user, 64, "%.*s", (int)entries[i].len, (const char *)entries[i].data);
    return RFT_OK;
}

int main(void) {
    char text[64] = "";
    rft_host_t host = {.size = sizeof host, .user_data = text, .apply = apply};
    rft_config_t *config = rft_config_new();
    rft_config_set(config, RFT_CONFIG_ID, 1, NULL);
    rft_config_set(config, RFT_CONFIG_SNAPSHOT_ENTRIES, 0, NULL); /* none: no callbacks for them */
    rft_config_add_voter(config, 1, NULL);                        /* a cluster of one */
    rft_engine_t *engine = NULL;
    if (rft_engine_open(config, "smoke.data", 10, &host, &engine, NULL) != RFT_OK)
        return 1;
    rft_engine_campaign(engine, NULL);
    rft_status_t status;
    do /* refused until it leads; then on disk and applied when the call returns */
        status = rft_engine_propose_wait(engine, (const uint8_t *)"hello", 5, 1000, NULL, NULL);
    while (status == RFT_E_NOT_LEADER);
    if (status == RFT_OK)
        status = rft_engine_read_wait(engine, 1000, NULL, NULL);
    printf("%s: %s\n", rft_status_name(status), text);
    rft_engine_free(engine);
    rft_config_free(config);
    return status != RFT_OK;
}
