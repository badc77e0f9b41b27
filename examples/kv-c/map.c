#include "map.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64

uint64_t fnv(uint64_t hash, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static bool same_key(const struct map_item *item, uint64_t hash, const uint8_t *key, uint32_t key_len) {
    return item->hash == hash && item->key_len == key_len && memcmp(item->bytes, key, key_len) == 0;
}

/* The link that points at the key's item, or at the end of its chain. */
static struct map_item **link_of(const struct map *map, uint64_t hash, const uint8_t *key, uint32_t key_len) {
    struct map_item **link = &map->slots[hash & (map->slot_count - 1)];
    while (*link != NULL && !same_key(*link, hash, key, key_len)) {
        link = &(*link)->next;
    }
    return link;
}

/* Doubles the slots when chains get longer than one item on average. */
static bool grow(struct map *map) {
    if (map->count < map->slot_count) {
        return true;
    }
    size_t slot_count = map->slot_count == 0 ? SLOTS_MIN : map->slot_count * 2;
    struct map_item **slots = calloc(slot_count, sizeof(struct map_item *));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        struct map_item *item = map->slots[i];
        while (item != NULL) {
            struct map_item *next = item->next;
            struct map_item **slot = &slots[item->hash & (slot_count - 1)];
            item->next = *slot;
            *slot = item;
            item = next;
        }
    }
    free(map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    return true;
}

bool map_put(struct map *map, const uint8_t *key, uint32_t key_len, uint64_t revision, const uint8_t *value,
             uint32_t value_len) {
    struct map_item *item = malloc(sizeof *item + key_len + value_len);
    if (item == NULL || !grow(map)) {
        free(item);
        return false;
    }
    item->hash = fnv(FNV_START, key, key_len);
    item->revision = revision;
    item->key_len = key_len;
    item->value_len = value_len;
    memcpy(item->bytes, key, key_len);
    if (value_len > 0) {
        memcpy(item->bytes + key_len, value, value_len);
    }
    struct map_item **link = link_of(map, item->hash, key, key_len);
    struct map_item *old = *link;
    item->next = old != NULL ? old->next : NULL;
    map->count += old == NULL;
    *link = item;
    free(old);
    return true;
}

void map_remove(struct map *map, const uint8_t *key, uint32_t key_len) {
    if (map->count == 0) {
        return;
    }
    struct map_item **link = link_of(map, fnv(FNV_START, key, key_len), key, key_len);
    struct map_item *old = *link;
    if (old != NULL) {
        *link = old->next;
        map->count--;
        free(old);
    }
}

const struct map_item *map_find(const struct map *map, const uint8_t *key, uint32_t key_len) {
    return map->count == 0 ? NULL : *link_of(map, fnv(FNV_START, key, key_len), key, key_len);
}

static int by_key(const void *left, const void *right) {
    const struct map_item *a = *(const struct map_item *const *)left;
    const struct map_item *b = *(const struct map_item *const *)right;
    int order = memcmp(a->bytes, b->bytes, a->key_len < b->key_len ? a->key_len : b->key_len);
    return order != 0 ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

const struct map_item **map_sorted(const struct map *map) {
    const struct map_item **items = calloc(map->count + 1, sizeof(struct map_item *));
    if (items == NULL) {
        return NULL;
    }
    size_t n = 0;
    for (size_t i = 0; i < map->slot_count; i++) {
        for (const struct map_item *item = map->slots[i]; item != NULL; item = item->next) {
            items[n++] = item;
        }
    }
    qsort(items, n, sizeof *items, by_key);
    return items;
}

void map_free(struct map *map) {
    for (size_t i = 0; i < map->slot_count; i++) {
        struct map_item *item = map->slots[i];
        while (item != NULL) {
            struct map_item *next = item->next;
            free(item);
            item = next;
        }
    }
    free(map->slots);
    *map = (struct map){0};
}
