// The generator's connections: non-blocking TCP, TLS where asked for, one write per connection
// and event-loop turn. One thread; the state that all connections share is in link.c.
#ifndef LINK_H
#define LINK_H

#include <openssl/ssl.h>

#include "mqtt.h"

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_HANDSHAKING, LINK_OPEN };

struct link {
  int fd;
  enum link_state state;
  int awaits_room, is_dirty;
  SSL *tls;
  SSL_SESSION *session;  // what a resumed handshake starts from
  struct buffer partial, out;
  size_t index;          // the scenario's own number
  void *owner;           // the scenario's own data
};

// What a scenario learns of its connections. `closed` is called for what the broker or the
// network ended, never for link_close().
struct link_events {
  void (*opened)(struct link *);
  void (*packet)(struct link *, const struct mqtt_packet *);
  void (*closed)(struct link *, const char *why);
};

struct link_settings {
  const char *host, *server_name, *ca, *tls_version, *groups;
  unsigned short port;
  int tls;
};

void links_start(const struct link_settings *settings);
void links_listen(const struct link_events *events);

// Begins to connect; `opened` follows when TCP (and TLS) stand.
void link_open(struct link *l);
void link_close(struct link *l);

// Says that `out` has bytes for the turn's end.
void link_touch(struct link *l);

// Keeps the TLS session for the next link_open() of this link; 0 if the server offers none.
int link_keep_session(struct link *l);
int link_was_resumed(const struct link *l);

// One event-loop turn: waits until something happens or `until` (monotonic ns), handles it.
void links_turn(uint64_t until);

// Writes what the turn has left in the links' buffers.
void links_flush(void);

// Watches a descriptor that isn't a link, such as a pipe.
void links_watch(int fd, void (*readable)(int fd));

#endif
