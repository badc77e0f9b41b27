/* Ends connections that take too long. libmicrohttpd's own limit begins anew with every byte, so that a
 * client which sends a byte a second would keep its thread for ever. */
#ifndef KV_WATCH_H
#define KV_WATCH_H

#define REQUEST_SECONDS 10u /* for the head and the body of a request */
#define IDLE_SECONDS 120u   /* without a request, or for its answer */

struct watch;
struct watched; /* one connection */

/* NULL when memory or threads are out. */
struct watch *watch_start(void);
/* After the last watch_close. */
void watch_stop(struct watch *watch);

/* Where a connection stands; any thread. A NULL connection is nobody's: memory was out.
 * The time of the first request begins with the connection: who asks for nothing must not keep a place. */
struct watched *watch_open(struct watch *watch, int fd);
void watch_head(struct watched *watched);  /* a head has come */
void watch_whole(struct watched *watched); /* its body, too: the answer is this program's affair */
void watch_idle(struct watched *watched);  /* the answer is on its way, the next request may come */
void watch_close(struct watched *watched); /* before the file descriptor is closed */

#endif
