/* What stands in the log, and what apply says to it: the same bytes in every language's host. */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "bytes.h"

#define KEY_MAX 1024
#define VALUE_MAX (4u << 20)

struct command {
    bool deletes;         /* else it puts */
    bool conditional;     /* it is done only if the key has `revision`, or with 0 if there is no such key */
    uint64_t revision;    /* with `conditional` */
    const uint8_t *key;   /* borrowed, as is the value */
    const uint8_t *value; /* of a put */
    uint32_t key_len, value_len;
};

void command_append(struct bytes *out, const struct command *command);
/* The inverse: key and value point into `data`. False when it is not a command that this program knows. */
bool command_parse(struct command *command, const uint8_t *data, size_t len);

struct answer {
    bool done;         /* false: the key has another revision */
    uint64_t revision; /* the key's behind the command; 0 is none */
};

#define ANSWER_LEN 9
void answer_store(const struct answer *answer, uint8_t out[ANSWER_LEN]);
bool answer_parse(struct answer *answer, const uint8_t *data, size_t len);

#endif
