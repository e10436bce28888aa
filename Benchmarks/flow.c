// Scenarios of messages: publishers with a window, subscribers that check every sequence number.

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "loadgen.h"
#include "process.h"
#include "tracker.h"

enum { MAGIC = 0x4f52424d, FENCES = 8, IDENTIFIERS = 65535, OUTSIDE = 1 << 20 };

// The head of every payload. Generator and reader are one process: no byte order to settle.
struct head {
  uint32_t magic, publisher;
  uint64_t sequence, due;
};

// A message that is under way: until it is acknowledged and every live reader has it.
struct slot {
  uint64_t due;
  uint32_t awaiting;
  uint32_t is_acknowledged;
};

struct publisher {
  struct link link;
  struct identity id;
  char *topic;
  size_t topic_length;
  uint64_t base, next;  // sequence numbers: the first under way, the first not sent
  struct slot *slots;
  // QoS 0 without readers: a PINGREQ behind the messages takes the place of their PUBACKs.
  uint64_t fences[FENCES], fenced;
  unsigned fence_first, fence_count;
  int is_ready;         // stands in the list of those whose window has opened
};

struct reader {
  struct link link;
  struct tracker *trackers;  // one for each publisher
};

static struct publisher *publishers;
static struct reader *readers;  // the last one stands for the outside reader, if there is one
static size_t reader_count;     // with the outside one
static struct publisher **ready;
static size_t ready_count, slot_mask;
static size_t connected, subscribed, sessions_kept;
static int may_publish, is_measuring, has_outside;
static uint64_t schedule_start;
static uint64_t acknowledged, delivered;                  // since the start
static uint64_t counted_acknowledged, counted_delivered;  // in the window
static uint64_t progress;
static struct histogram end_to_end, acknowledgement;
static struct buffer outside;
static uint8_t *body;

static struct slot *slot(struct publisher *p, uint64_t sequence) {
  return &p->slots[sequence & slot_mask];
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (memory) return memory;
  fputs("loadgen: out of memory\n", stderr);
  exit(2);
}

// ---- publishing

static void make_ready(struct publisher *p) {
  if (p->is_ready) return;
  p->is_ready = 1;
  ready[ready_count++] = p;
}

static uint64_t due_time(const struct publisher *p) {
  double place = (double)p->link.index + (double)p->next * (double)options.publishers;
  return schedule_start + (uint64_t)(place * 1e9 / options.rate);
}

// The end of the tick in which `time` lies, or its begin: senders that gather for some milliseconds.
static uint64_t tick_at(uint64_t time, int end) {
  uint64_t tick = (uint64_t)(options.tick * 1e6);
  if (!tick || time < schedule_start) return time;
  uint64_t passed = time - schedule_start;
  return schedule_start + (passed / tick + (end && passed % tick)) * tick;
}

static int has_more(const struct publisher *p) {
  uint64_t share = options.messages / options.publishers;
  return may_publish && (!options.messages || p->next < share);
}

static int is_fenced(void) { return !options.qos && !reader_count; }

static void publish(struct publisher *p, uint64_t due) {
  struct head head = {MAGIC, (uint32_t)p->link.index, p->next, due};
  memcpy(body, &head, sizeof head);
  mqtt_put_publish(&p->link.out, p->topic, p->topic_length, options.qos,
                   1 + (unsigned)(p->next % IDENTIFIERS), options.payload);
  buffer_append(&p->link.out, body, options.payload);
  size_t live = options.reader_kind == READERS_ABSENT ? 0 : reader_count;
  *slot(p, p->next) = (struct slot){due, (uint32_t)live + (options.qos || !live), 0};
  p->next++;
}

static void fill(struct publisher *p) {
  if (p->link.state != LINK_OPEN) return;
  uint64_t now = monotonic_ns(), before = p->next;
  if (options.rate > 0) now = tick_at(now, 0);
  while (has_more(p) && p->next - p->base < options.window) {
    uint64_t due = options.rate > 0 ? due_time(p) : now;
    if (due > now) break;
    publish(p, due);
  }
  if (is_fenced() && p->next > p->fenced && p->fence_count < FENCES) {
    mqtt_put_empty(&p->link.out, MQTT_PINGREQ);
    p->fences[(p->fence_first + p->fence_count++) % FENCES] = p->fenced = p->next;
    link_touch(&p->link);
  }
  if (p->next != before) link_touch(&p->link);
}

static void advance(struct publisher *p) {
  while (p->base < p->next && !slot(p, p->base)->awaiting) p->base++;
  make_ready(p);
}

static void acknowledge(struct publisher *p, uint64_t sequence) {
  struct slot *s = slot(p, sequence);
  if (sequence < p->base || sequence >= p->next || s->is_acknowledged)
    return failure("%s: acknowledged what is not under way", p->id.client);
  s->is_acknowledged = 1;
  s->awaiting--;
  acknowledged++;
  progress++;
  if (is_measuring) {
    counted_acknowledged++;
    histogram_add(&acknowledgement, monotonic_ns() - s->due);
  }
  advance(p);
}

static void take_puback(struct publisher *p, const struct mqtt_packet *packet) {
  if (packet->length != 2) return failure("a PUBACK of %zu bytes", packet->length);
  uint64_t identifier = mqtt_u16(packet->body), first = p->base % IDENTIFIERS;
  acknowledge(p, p->base + (identifier + 2 * IDENTIFIERS - 1 - first) % IDENTIFIERS);
}

static void take_fence(struct publisher *p) {
  if (!p->fence_count) return failure("%s: a PINGRESP too many", p->id.client);
  uint64_t fence = p->fences[p->fence_first];
  p->fence_first = (p->fence_first + 1) % FENCES;
  p->fence_count--;
  while (p->base < fence && !has_failed()) acknowledge(p, p->base);
}

// ---- reading

static void take_message(struct reader *r, const uint8_t *payload, size_t length) {
  struct head head;
  if (length != options.payload) return failure("a message of %zu bytes was delivered", length);
  memcpy(&head, payload, sizeof head);
  if (head.magic != MAGIC || head.publisher >= options.publishers)
    return failure("a message that nobody published was delivered");
  struct publisher *p = &publishers[head.publisher];
  if (head.sequence >= p->next) return failure("a message from the future was delivered");
  progress++;
  if (!tracker_note(&r->trackers[head.publisher], head.sequence)) return;
  delivered++;
  if (is_measuring) {
    counted_delivered++;
    histogram_add(&end_to_end, monotonic_ns() - head.due);
  }
  if (options.reader_kind == READERS_ABSENT) return;
  slot(p, head.sequence)->awaiting--;
  advance(p);
}

static void take_publish(struct reader *r, const struct mqtt_packet *p) {
  unsigned qos = (p->flags >> 1) & 3;
  size_t head = 2 + (qos ? 2 : 0);
  size_t topic = p->length >= 2 ? mqtt_u16(p->body) : 0;
  if (p->length < head + topic) return failure("a PUBLISH that is cut short");
  if (qos) {
    mqtt_put_short(&r->link.out, MQTT_PUBACK, mqtt_u16(p->body + 2 + topic));
    link_touch(&r->link);
  }
  take_message(r, p->body + head + topic, p->length - head - topic);
}

static void read_outside(int fd) {
  ssize_t n;
  while ((n = read(fd, buffer_reserve(&outside, OUTSIDE), OUTSIDE)) > 0) {
    outside.end += (size_t)n;
    while (buffer_count(&outside) >= 4) {
      const uint8_t *frame = outside.bytes + outside.start;
      size_t length = (size_t)mqtt_u16(frame) << 16 | mqtt_u16(frame + 2);
      if (buffer_count(&outside) < 4 + length) break;
      take_message(&readers[reader_count - 1], frame + 4, length);
      buffer_consume(&outside, 4 + length);
    }
  }
  if (!n || (errno != EAGAIN && errno != EINTR)) failure("the outside reader has ended");
}

// A pipe that holds what comes within a tick, so that its writer does not wait for us.
static void watch_outside(void) {
  fcntl(options.reader_fd, F_SETPIPE_SZ, OUTSIDE);
  fcntl(options.reader_fd, F_SETFL, O_NONBLOCK);
  links_watch(options.reader_fd, read_outside);
}

// ---- connections

static struct reader *as_reader(struct link *l) { return l->owner; }

static int is_reader(const struct link *l) {
  return (const char *)l->owner >= (const char *)readers &&
         (const char *)l->owner < (const char *)(readers + reader_count);
}

static struct identity link_identity(struct link *l) {
  if (!is_reader(l)) return ((struct publisher *)l->owner)->id;
  // Identities that the publishers leave are the readers'.
  if (identity_count() >= options.publishers + options.readers)
    return identity_at(options.publishers + l->index);
  static char name[32];
  snprintf(name, sizeof name, "reader-%05zu", l->index);
  return (struct identity){name, NULL, NULL};
}

static void on_opened(struct link *l) {
  put_connect(l, link_identity(l), !is_reader(l) || options.reader_kind != READERS_ABSENT);
}

static void on_closed(struct link *l, const char *why) {
  failure("connection of %s: %s", link_identity(l).client, why);
}

static void on_packet(struct link *l, const struct mqtt_packet *p) {
  switch (p->type) {
    case MQTT_CONNACK:
      if (!accepts(p, link_identity(l))) return;
      connected++;
      sessions_kept += p->body[0] & 1;
      progress++;
      return;
    case MQTT_SUBACK:
      if (p->length != 3 || p->body[2] != options.reader_qos)
        return failure("the subscription was not granted with QoS %u", options.reader_qos);
      subscribed++;
      progress++;
      return;
    case MQTT_PUBLISH:
      if (is_reader(l)) return take_publish(as_reader(l), p);
      break;
    case MQTT_PUBACK:
      if (!is_reader(l)) return take_puback(l->owner, p);
      break;
    case MQTT_PINGRESP:
      if (!is_reader(l)) return take_fence(l->owner);
      break;
    default: break;
  }
  failure("%s got a packet of type %d", link_identity(l).client, p->type);
}

// ---- turns

// Senders that gather look at nothing before their tick has ended.
static void await_tick(uint64_t until) {
  if (options.tick <= 0) return;
  uint64_t end = tick_at(monotonic_ns(), 1);
  if (end < until) until = end;
  struct timespec at = {.tv_sec = (time_t)(until / 1000000000u),
                        .tv_nsec = (long)(until % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
  }
}

static void turn(uint64_t until) {
  if (options.rate > 0 && may_publish) {
    for (size_t i = 0; i < options.publishers; i++) {
      struct publisher *p = &publishers[i];
      uint64_t due = tick_at(due_time(p), 1);
      if (p->next - p->base < options.window && due < until) until = due;
    }
    await_tick(until);
  }
  links_turn(until);
  if (options.rate > 0) {
    for (size_t i = 0; i < options.publishers; i++) fill(&publishers[i]);
    for (size_t i = 0; i < ready_count; i++) ready[i]->is_ready = 0;
  } else {
    for (size_t i = 0; i < ready_count; i++) ready[i]->is_ready = 0, fill(ready[i]);
  }
  ready_count = 0;
  links_flush();
}

static uint64_t seconds_ns(double seconds) { return (uint64_t)(seconds * 1e9); }

// Turns until `done` says so or nothing moves for the time of --stall; `what` is for the message.
static void turn_until(int (*done)(void), const char *what) {
  uint64_t before = progress, since = monotonic_ns();
  while (!has_failed() && !done()) {
    uint64_t now = monotonic_ns();
    if (progress != before) before = progress, since = now;
    if (now - since > seconds_ns(options.stall)) return failure("stalled while %s", what);
    turn(now + seconds_ns(0.05));
  }
}

static void turn_for(double seconds) {
  uint64_t until = monotonic_ns() + seconds_ns(seconds);
  while (!has_failed() && monotonic_ns() < until) turn(until);
}

static size_t wanted;
static int all_connected(void) { return connected >= wanted; }
static int all_subscribed(void) { return subscribed >= wanted; }

static uint64_t sent(void) {
  uint64_t sum = 0;
  for (size_t i = 0; i < options.publishers; i++) sum += publishers[i].next;
  return sum;
}

static int all_settled(void) {
  for (size_t i = 0; i < options.publishers; i++)
    if (publishers[i].base != publishers[i].next || has_more(&publishers[i])) return 0;
  return 1;
}

static int all_delivered(void) { return delivered >= sent() * reader_count; }

// ---- the run

static char *expand(const char *template, const char *id) {
  const char *slash = strchr(id, '/'), *module = slash ? slash + 1 : id;
  char *text = allocate(strlen(template) * (strlen(id) + strlen(options.bag) + 1) + 1, 1);
  for (char *to = text; *template;) {
    const char *value = !strncmp(template, "{id}", 4)       ? id
                        : !strncmp(template, "{module}", 8) ? module
                        : !strncmp(template, "{bag}", 5)    ? options.bag
                                                            : NULL;
    if (!value) {
      *to++ = *template++;
      continue;
    }
    to = stpcpy(to, value);
    template = strchr(template, '}') + 1;
  }
  return text;
}

static void set_up(void) {
  has_outside = options.reader_fd >= 0;
  reader_count = options.readers + (has_outside ? 1 : 0);
  publishers = allocate(options.publishers, sizeof *publishers);
  readers = allocate(reader_count, sizeof *readers);
  ready = allocate(options.publishers, sizeof *ready);
  body = allocate(options.payload, 1);
  memset(body, '.', options.payload);
  size_t slots = 1;
  while (slots < options.window) slots *= 2;
  slot_mask = slots - 1;
  for (size_t i = 0; i < options.publishers; i++) {
    struct publisher *p = &publishers[i];
    p->id = identity_at(i);
    p->link.index = i;
    p->link.owner = p;
    p->topic = expand(options.topic, p->id.client);
    p->topic_length = strlen(p->topic);
    p->slots = allocate(slots, sizeof *p->slots);
  }
  for (size_t i = 0; i < reader_count; i++) {
    readers[i].link.index = i;
    readers[i].link.owner = &readers[i];
    readers[i].trackers = allocate(options.publishers, sizeof *readers[i].trackers);
  }
}

static void connect_readers(void) {
  for (size_t i = 0; i < options.readers; i++) {
    link_open(&readers[i].link);
    wanted = connected + 1;
    turn_until(all_connected, "connecting the readers");
    if (has_failed()) return;
  }
}

static void subscribe(void) {
  for (size_t i = 0; i < options.readers; i++) {
    mqtt_put_subscribe(&readers[i].link.out, 1, options.filter, options.reader_qos);
    link_touch(&readers[i].link);
    links_flush();
  }
  wanted = options.readers;
  turn_until(all_subscribed, "subscribing");
}

static void connect_publishers(void) {
  for (size_t i = 0; i < options.publishers; i++) {
    link_open(&publishers[i].link);
    wanted = connected + 1;
    turn_until(all_connected, "connecting the publishers");
    if (has_failed()) return;
  }
}

static void part(void) {
  for (size_t i = 0; i < options.readers; i++) {
    mqtt_put_empty(&readers[i].link.out, MQTT_DISCONNECT);
    link_touch(&readers[i].link);
    links_flush();
    link_close(&readers[i].link);
  }
  turn_for(0.2);
}

static uint64_t broker_cpu(void) { return options.pid ? process_cpu_ns(options.pid) : 0; }

static void measure(void) {
  may_publish = 1;
  schedule_start = monotonic_ns();
  for (size_t i = 0; i < options.publishers; i++) make_ready(&publishers[i]);
  // Nothing has come in yet that would end a turn and flush.
  links_flush();
  if (!options.messages) turn_for(options.warmup);
  if (has_failed()) return;
  unsigned threads = options.pid ? process_threads(options.pid) : 0;
  is_measuring = 1;
  uint64_t began = monotonic_ns(), cpu = broker_cpu(), own = own_cpu_ns();
  if (options.messages) turn_until(all_settled, "publishing");
  else turn_for(options.seconds);
  cpu = broker_cpu() - cpu;
  own = own_cpu_ns() - own;
  double took = (double)(monotonic_ns() - began);
  is_measuring = 0;
  may_publish = 0;
  if (has_failed()) return;
  if (options.pid && process_threads(options.pid) < threads)
    return failure("threads of the broker ended in the window: their run time is lost");

  int is_read = reader_count && options.reader_kind != READERS_ABSENT;
  uint64_t messages = is_read ? counted_delivered : counted_acknowledged;
  if (!messages) return failure("not one message in the window");
  figure("messages", (double)messages);
  figure("rate_per_s", (double)messages / took * 1e9);
  figure_cost("cpu_us_per_message", cpu, (double)messages, 0.05);
  if (options.pid) figure("broker_busy", (double)cpu / took);
  figure("generator_busy", (double)own / took);
  figure_latency("latency", &end_to_end);
  figure_latency("ack", &acknowledgement);
}

// The absent readers come back and have to get all that was kept for them.
static void come_back(uint64_t rss) {
  double kept = (double)(sent() * options.readers);
  turn_for(2);
  if (options.pid) {
    double grown = (double)process_rss(options.pid) - (double)rss;
    figure("memory_per_queued_message_b", grown / kept);
  }
  sessions_kept = 0;
  uint64_t began = monotonic_ns(), cpu = broker_cpu();
  connect_readers();
  if (!has_failed() && sessions_kept != options.readers)
    return failure("the session was not present on return");
  turn_until(all_delivered, "delivering what was kept");
  if (has_failed()) return;
  figure("return_rate_per_s", kept / (double)(monotonic_ns() - began) * 1e9);
  figure_cost("return_cpu_us_per_message", broker_cpu() - cpu, kept, 0.05);
}

// Every message sent has to be at every reader, once and in its turn.
static void check(void) {
  uint64_t lost = 0, repeated = 0, reordered = 0, unacknowledged = 0;
  for (size_t i = 0; i < options.publishers; i++) {
    const struct publisher *p = &publishers[i];
    for (uint64_t s = p->base; s < p->next; s++)
      unacknowledged += !p->slots[s & slot_mask].is_acknowledged;
    for (size_t r = 0; r < reader_count; r++) {
      const struct tracker *t = &readers[r].trackers[i];
      lost += tracker_lost(t, p->next);
      repeated += t->repeated;
      reordered += t->reordered;
    }
  }
  if (options.qos || is_fenced())
    if (unacknowledged) failure("%" PRIu64 " messages not acknowledged", unacknowledged);
  if (lost) failure("%" PRIu64 " messages lost", lost);
  if (repeated) failure("%" PRIu64 " messages delivered again", repeated);
  if (reordered) failure("%" PRIu64 " messages out of order", reordered);
}

void run_flow(void) {
  static const struct link_events events = {on_opened, on_packet, on_closed};
  links_listen(&events);
  set_up();
  if (has_outside) watch_outside();
  connect_readers();
  if (!has_failed()) subscribe();
  if (!has_failed()) connect_publishers();
  if (!has_failed() && options.reader_kind == READERS_ABSENT) part();
  if (has_failed()) return;
  uint64_t rss = options.pid ? process_rss(options.pid) : 0;
  measure();
  if (!has_failed()) turn_until(all_settled, "draining");
  if (!has_failed() && options.reader_kind == READERS_ABSENT) come_back(rss);
  // A message that comes once too often comes late.
  if (!has_failed()) turn_for(0.2);
  check();
}
