// The least possible broker, the floor that a socket-based design on one core can't go below:
// one thread, epoll, parse, match, copy, one write per connection and event-loop turn.
// No sessions, no retained messages, no keep-alive, no limits. Never for anything but benchmarks.
//
// usage: floor PORT        (prints "ready" once it listens on 127.0.0.1:PORT)

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mqtt.h"

enum { READ_SIZE = 256 * 1024, EVENTS = 1024 };

struct connection {
  int fd;
  int awaits_room;   // the socket was full: epoll tells when it is not
  int is_dirty;      // stands in the list of connections to be written at the turn's end
  int is_closing;
  uint16_t last_packet_id;
  struct buffer partial;  // the start of a packet whose rest hasn't come
  struct buffer out;
};

struct subscription {
  struct connection *to;
  char *filter;
  size_t length;    // without the '#'
  int is_prefix;    // the filter ended in '#'
  unsigned qos;
};

static int poller;
static struct subscription *subscriptions;
static size_t subscription_count, subscription_capacity;
static struct connection **dirty;
static size_t dirty_count, dirty_capacity;

// `what` is what failed, as perror() takes it.
static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *grow(void *list, size_t count, size_t *capacity, size_t element) {
  if (count < *capacity) return list;
  *capacity = *capacity ? *capacity * 2 : 64;
  list = realloc(list, *capacity * element);
  if (!list) fail("realloc");
  return list;
}

static void mark_dirty(struct connection *c) {
  if (c->is_dirty) return;
  c->is_dirty = 1;
  dirty = grow(dirty, dirty_count, &dirty_capacity, sizeof *dirty);
  dirty[dirty_count++] = c;
}

// Ends the connection. Its memory is freed when the turn's list of dirty ones is worked off, so
// that no pointer to it is left.
static void end(struct connection *c) {
  if (c->is_closing) return;
  c->is_closing = 1;
  mark_dirty(c);
  for (size_t i = 0; i < subscription_count;) {
    if (subscriptions[i].to != c) {
      i++;
      continue;
    }
    free(subscriptions[i].filter);
    subscriptions[i] = subscriptions[--subscription_count];
  }
}

#ifdef PLANT_FAULTS
// Faults that the load generator has to notice, each on the message after which it is planted.
static const char *fault;
static unsigned long fault_every = 1000, deliveries, acknowledgements;

static int is_faulty(const char *name, unsigned long count) {
  return fault && !strcmp(fault, name) && count % fault_every == 0;
}
#endif

static void deliver(const struct subscription *s, const uint8_t *topic, size_t topic_length,
                    unsigned qos, const uint8_t *payload, size_t length) {
  struct connection *to = s->to;
  if (qos > s->qos) qos = s->qos;
  unsigned id = 0;
  if (qos) {
    if (++to->last_packet_id == 0) to->last_packet_id = 1;
    id = to->last_packet_id;
  }
#ifdef PLANT_FAULTS
  static struct buffer held;  // what the fault "reorder" sends behind the reader's next message
  static const struct connection *held_for;
  deliveries++;
  if (is_faulty("lose", deliveries)) return;
  if (is_faulty("reorder", deliveries)) {
    held_for = to;
    mqtt_put_publish(&held, (const char *)topic, topic_length, qos, id, length);
    buffer_append(&held, payload, length);
    return;
  }
  if (is_faulty("repeat", deliveries)) {
    mqtt_put_publish(&to->out, (const char *)topic, topic_length, qos, id, length);
    buffer_append(&to->out, payload, length);
  }
#endif
  mqtt_put_publish(&to->out, (const char *)topic, topic_length, qos, id, length);
  buffer_append(&to->out, payload, length);
#ifdef PLANT_FAULTS
  if (to == held_for) {
    buffer_append(&to->out, held.bytes + held.start, buffer_count(&held));
    buffer_free(&held);
    held_for = NULL;
  }
#endif
  mark_dirty(to);
}

static void publish(struct connection *from, const struct mqtt_packet *p) {
  unsigned qos = (p->flags >> 1) & 3;
  size_t head = 2 + (qos ? 2 : 0);
  if (p->length < head) return end(from);
  size_t topic_length = mqtt_u16(p->body);
  if (p->length < head + topic_length || qos > 1) return end(from);
  const uint8_t *topic = p->body + 2;
  const uint8_t *payload = p->body + head + topic_length;
  size_t length = p->length - head - topic_length;
  for (size_t i = 0; i < subscription_count; i++) {
    const struct subscription *s = &subscriptions[i];
    if (s->is_prefix ? topic_length < s->length : topic_length != s->length) continue;
    if (memcmp(topic, s->filter, s->length)) continue;
    deliver(s, topic, topic_length, qos, payload, length);
  }
  if (!qos) return;
#ifdef PLANT_FAULTS
  if (is_faulty("forget", ++acknowledgements)) return;
#endif
  mqtt_put_short(&from->out, MQTT_PUBACK, mqtt_u16(topic + topic_length));
  mark_dirty(from);
}

static void subscribe(struct connection *c, const struct mqtt_packet *p) {
  if (p->length < 2) return end(c);
  uint8_t granted[64];
  size_t count = 0, at = 2;
  while (at < p->length) {
    if (p->length - at < 3 || count == sizeof granted) return end(c);
    size_t length = mqtt_u16(p->body + at);
    if (p->length - at < 3 + length) return end(c);
    const char *filter = (const char *)p->body + at + 2;
    unsigned qos = p->body[at + 2 + length];
    if (qos > 1) qos = 1;
    at += 3 + length;
    int is_prefix = length > 0 && filter[length - 1] == '#';
    subscriptions = grow(subscriptions, subscription_count, &subscription_capacity,
                         sizeof *subscriptions);
    char *copy = strndup(filter, length);
    if (!copy) fail("strndup");
    subscriptions[subscription_count++] =
        (struct subscription){c, copy, length - (is_prefix ? 1 : 0), is_prefix, qos};
    granted[count++] = (uint8_t)qos;
  }
  mqtt_put_header(&c->out, MQTT_SUBACK << 4, 2 + count);
  mqtt_put_u16(&c->out, mqtt_u16(p->body));
  buffer_append(&c->out, granted, count);
  mark_dirty(c);
}

static void handle(struct connection *c, const struct mqtt_packet *p) {
  switch (p->type) {
    case MQTT_PUBLISH: publish(c, p); break;
    case MQTT_PUBACK: break;
    case MQTT_CONNECT: mqtt_put_short(&c->out, MQTT_CONNACK, 0), mark_dirty(c); break;
    case MQTT_SUBSCRIBE: subscribe(c, p); break;
    case MQTT_PINGREQ: mqtt_put_empty(&c->out, MQTT_PINGRESP), mark_dirty(c); break;
    default: end(c);
  }
}

// Handles the whole packets in `bytes`; returns how many bytes they took.
static size_t parse(struct connection *c, const uint8_t *bytes, size_t count) {
  size_t at = 0;
  while (!c->is_closing) {
    struct mqtt_packet packet;
    ptrdiff_t size = mqtt_parse(bytes + at, count - at, &packet);
    if (size < 0) end(c);
    if (size <= 0) break;
    handle(c, &packet);
    at += (size_t)size;
  }
  return at;
}

static void receive(struct connection *c) {
  static uint8_t shared[READ_SIZE];
  ssize_t n = read(c->fd, shared, sizeof shared);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return end(c);
  if (!buffer_count(&c->partial)) {
    size_t taken = parse(c, shared, (size_t)n);
    buffer_append(&c->partial, shared + taken, (size_t)n - taken);
    return;
  }
  buffer_append(&c->partial, shared, (size_t)n);
  buffer_consume(&c->partial,
                 parse(c, c->partial.bytes + c->partial.start, buffer_count(&c->partial)));
  if (!buffer_count(&c->partial)) buffer_free(&c->partial);
}

static void await_room(struct connection *c, int awaits) {
  if (c->awaits_room == awaits) return;
  c->awaits_room = awaits;
  struct epoll_event event = {.events = EPOLLIN | (awaits ? EPOLLOUT : 0u), .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void send_out(struct connection *c) {
  size_t count = buffer_count(&c->out);
  if (!count) return await_room(c, 0);
  ssize_t n = send(c->fd, c->out.bytes + c->out.start, count, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return end(c);
  if (n > 0) buffer_consume(&c->out, (size_t)n);
  await_room(c, buffer_count(&c->out) > 0);
}

static void end_turn(void) {
  // end() may lengthen the list while it is walked.
  for (size_t i = 0; i < dirty_count; i++)
    if (!dirty[i]->is_closing && !dirty[i]->awaits_room) send_out(dirty[i]);
  for (size_t i = 0; i < dirty_count; i++) {
    struct connection *c = dirty[i];
    c->is_dirty = 0;
    if (!c->is_closing) continue;
    close(c->fd);
    buffer_free(&c->partial);
    buffer_free(&c->out);
    free(c);
  }
  dirty_count = 0;
}

static void accept_all(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) fail("calloc");
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
  }
}

static int listen_on(unsigned short port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
  if (listen(fd, 4096)) fail("listen");
  return fd;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs("usage: floor PORT\n", stderr);
    return 2;
  }
#ifdef PLANT_FAULTS
  if (argc > 2) fault = argv[2];
#endif
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  int listener = listen_on((unsigned short)atoi(argv[1]));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event)) fail("epoll_ctl");
  puts("ready");
  fflush(stdout);

  static struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(poller, events, EVENTS, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (!c) {
        accept_all(listener);
        continue;
      }
      if (c->is_closing) continue;
      if (events[i].events & EPOLLOUT) send_out(c);
      if (!c->is_closing && events[i].events & ~(uint32_t)EPOLLOUT) receive(c);
    }
    end_turn();
  }
}
