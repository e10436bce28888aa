// What the generator's parts share: the options, the identities, the failures and the figures.
#ifndef LOADGEN_H
#define LOADGEN_H

#include <inttypes.h>
#include <stdint.h>

#include "histogram.h"
#include "link.h"

enum reader_kind { READERS_NONE, READERS_LIVE, READERS_ABSENT };

struct options {
  const char *scenario;
  struct link_settings link;
  int pid;                  // of the broker; 0: no CPU and memory figures
  size_t publishers, readers;
  enum reader_kind reader_kind;
  int reader_fd;            // where an outside reader writes what it got; -1: none
  unsigned qos, reader_qos;
  size_t payload, window;
  double seconds, warmup, rate, stall;
  double tick;              // with a rate: what is due leaves every so many milliseconds; 0: at once
  uint64_t messages;        // publish so many instead of for `seconds`; 0: by time
  size_t connections;       // idle: how many; connect: how many at once
  int resume;
  const char *topic, *filter, *bag, *id_file;
};

struct identity {
  const char *client, *user, *password;  // user and password may be NULL
};

extern struct options options;

// The identity number `index`: from the file, wrapping round, or made up without credentials.
struct identity identity_at(size_t index);
size_t identity_count(void);

// A failed check. Once there is one, no figure is printed.
void failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
int has_failed(void);

// A figure of the report. A name may be given once.
void figure(const char *name, double value);
void figure_latency(const char *prefix, const struct histogram *h);

// Writes the CONNECT of `id`. Keep-alive is 0 or so long that no run reaches it.
void put_connect(struct link *l, struct identity id, int clean);

// 1 if `p` is a CONNACK that accepts; otherwise a failure that names the identity.
int accepts(const struct mqtt_packet *p, struct identity id);

// The cost of one of `count` operations that took the broker `cpu` nanoseconds, as a figure. A cost
// below `least` microseconds is a failure: then --pid isn't what did the work.
void figure_cost(const char *name, uint64_t cpu, double count, double least);

void run_flow(void);
void run_idle(void);
void run_connects(void);

#endif
