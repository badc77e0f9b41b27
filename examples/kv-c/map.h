/* A hash map from bytes to bytes with a revision, with chains. Not thread-safe. */
#ifndef KV_MAP_H
#define KV_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Key and value lie behind each other in `bytes`. */
struct map_item {
    struct map_item *next;
    uint64_t hash, revision; /* revision: the index of the entry that wrote it */
    uint32_t key_len, value_len;
    uint8_t bytes[];
};

/* All zero is an empty map. */
struct map {
    struct map_item **slots;
    size_t slot_count, count;
};

/* False when memory is out: the map is as before. */
bool map_put(struct map *map, const uint8_t *key, uint32_t key_len, uint64_t revision, const uint8_t *value,
             uint32_t value_len);
void map_remove(struct map *map, const uint8_t *key, uint32_t key_len);
/* NULL when absent. Borrowed until the map changes. */
const struct map_item *map_find(const struct map *map, const uint8_t *key, uint32_t key_len);
/* All items by key, bytewise, a prefix before what it begins. NULL when memory is out; else to be freed. */
const struct map_item **map_sorted(const struct map *map);
void map_free(struct map *map);

/* FNV-1a, 64 bits: begin with FNV_START and feed any number of runs. */
#define FNV_START UINT64_C(0xcbf29ce484222325)
uint64_t fnv(uint64_t hash, const uint8_t *data, size_t len);

#endif
