/* Time that nobody sets. */
#ifndef KV_CLOCK_H
#define KV_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);
void clock_sleep_ms(uint32_t ms);

#endif
