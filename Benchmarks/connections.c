// Scenarios about connections rather than messages: many idle ones, and many new ones.

#include "loadgen.h"
#include "process.h"

enum { AT_ONCE = 32 };

static struct link *links;
static size_t asked, answered, pinged, target;
static int is_measuring;
static uint64_t last_progress;

static uint64_t broker_cpu(void) { return options.pid ? process_cpu_ns(options.pid) : 0; }

static uint64_t in_seconds(double seconds) {
  return monotonic_ns() + (uint64_t)(seconds * 1e9);
}

static void send_connect(struct link *l) {
  put_connect(l, *(struct identity *)l->owner, 1);
}

static void lost(struct link *l, const char *why) {
  failure("connection of %s: %s", ((struct identity *)l->owner)->client, why);
}

static void make_links(size_t count) {
  links = calloc(count, sizeof *links);
  struct identity *owners = calloc(count, sizeof *owners);
  if (!links || !owners) exit(2);
  for (size_t i = 0; i < count; i++) {
    owners[i] = identity_at(i);
    links[i].index = i;
    links[i].owner = &owners[i];
  }
}

// Turns until `*count` reaches `goal`; fails when nothing happens for the time of --stall.
static void turn_until(const size_t *count, size_t goal) {
  size_t before = *count;
  last_progress = monotonic_ns();
  while (*count < goal && !has_failed()) {
    links_turn(in_seconds(0.1));
    links_flush();
    if (*count != before) before = *count, last_progress = monotonic_ns();
    if (monotonic_ns() - last_progress > (uint64_t)(options.stall * 1e9))
      failure("stalled at %zu of %zu connections", *count, goal);
  }
}

static void turn_for(double seconds) {
  for (uint64_t until = in_seconds(seconds); monotonic_ns() < until && !has_failed();) {
    links_turn(until);
    links_flush();
  }
}

// ---- idle

static void idle_packet(struct link *l, const struct mqtt_packet *p) {
  if (p->type == MQTT_PINGRESP) {
    pinged++;
    return;
  }
  if (!accepts(p, *(struct identity *)l->owner)) return;
  answered++;
  if (asked < target) link_open(&links[asked++]);
}

void run_idle(void) {
  static const struct link_events events = {send_connect, idle_packet, lost};
  links_listen(&events);
  target = options.connections;
  if (identity_count() && target > identity_count())
    return failure("%zu identities are too few for %zu connections", identity_count(), target);
  make_links(target);

  // What a broker still gives back after its start must not hide what the connections take.
  turn_for(3);
  uint64_t rss = options.pid ? process_rss(options.pid) : 0;
  uint64_t cpu = broker_cpu(), began = monotonic_ns();
  while (asked < target && asked < AT_ONCE) link_open(&links[asked++]);
  turn_until(&answered, target);
  double took = (double)(monotonic_ns() - began) / 1e9;
  if (has_failed()) return;
  double count = (double)target;
  figure("connections", count);
  figure("connects_per_s", count / took);
  figure_cost("cpu_us_per_connect", broker_cpu() - cpu, count, 1);

  turn_for(2);
  if (options.pid) {
    uint64_t grown = process_rss(options.pid);
    figure("rss_before_kb", (double)rss / 1024);
    figure("rss_after_kb", (double)grown / 1024);
    figure("memory_per_connection_kb", ((double)grown - (double)rss) / 1024 / count);
  }

  cpu = broker_cpu();
  for (size_t i = 0; i < target && !has_failed(); i++) {
    mqtt_put_empty(&links[i].out, MQTT_PINGREQ);
    link_touch(&links[i]);
    links_flush();
    if (i % AT_ONCE == AT_ONCE - 1) turn_until(&pinged, i + 1);
  }
  turn_until(&pinged, target);
  if (has_failed()) return;
  turn_for(0.05);
  figure_cost("cpu_us_per_ping", broker_cpu() - cpu, count, 0.2);
  for (size_t i = 0; i < target; i++) link_close(&links[i]);
}

// ---- connect

static size_t counted, resumed, unresumed;
static struct histogram handshakes;
static uint64_t *begun;

static void reconnect(struct link *l) {
  // Every slot walks through its own share of the identities, so that none is ever used twice
  // at once and no connection is taken over.
  size_t slots = options.connections;
  size_t share = identity_count() / slots;
  struct identity *id = l->owner;
  if (share > 1 && !options.resume)
    *id = identity_at(l->index + slots * ((size_t)begun[l->index] % share));
  begun[l->index] = monotonic_ns();
  link_open(l);
}

static void connect_packet(struct link *l, const struct mqtt_packet *p) {
  if (!accepts(p, *(struct identity *)l->owner)) return;
  answered++;
  if (is_measuring) {
    counted++;
    histogram_add(&handshakes, monotonic_ns() - begun[l->index]);
    if (link_was_resumed(l)) resumed++;
    else unresumed++;
  }
  if (options.resume && !link_keep_session(l))
    return failure("the broker offers no TLS session to resume");
  mqtt_put_empty(&l->out, MQTT_DISCONNECT);
  link_touch(l);
  links_flush();
  link_close(l);
  reconnect(l);
}

void run_connects(void) {
  static const struct link_events events = {send_connect, connect_packet, lost};
  links_listen(&events);
  if (identity_count() && options.connections > identity_count())
    return failure("%zu identities are too few for %zu connections at once", identity_count(),
                   options.connections);
  make_links(options.connections);
  begun = calloc(options.connections, sizeof *begun);
  if (!begun) exit(2);
  for (size_t i = 0; i < options.connections; i++) reconnect(&links[i]);
  turn_for(options.warmup);
  if (!answered && !has_failed()) failure("no connection was answered during the warm-up");
  if (has_failed()) return;

  is_measuring = 1;
  uint64_t began = monotonic_ns(), cpu = broker_cpu(), own = own_cpu_ns();
  turn_for(options.seconds);
  cpu = broker_cpu() - cpu;
  own = own_cpu_ns() - own;
  double took = (double)(monotonic_ns() - began);
  is_measuring = 0;
  if (has_failed()) return;
  if (!counted) return failure("no connection was answered in the window");
  if (options.resume && unresumed)
    return failure("%zu of %zu handshakes were not resumed", unresumed, counted);
  if (!options.resume && resumed)
    return failure("%zu of %zu handshakes were resumed", resumed, counted);
  figure("connects", (double)counted);
  figure("connects_per_s", (double)counted / took * 1e9);
  figure_cost("cpu_us_per_connect", cpu, (double)counted, 1);
  if (options.pid) figure("broker_busy", (double)cpu / took);
  figure("generator_busy", (double)own / took);
  figure_latency("handshake", &handshakes);
}
