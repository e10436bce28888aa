// The load generator: one thread, epoll, its own MQTT codec. README.md tells the scenarios and
// figures. Exit status: 0 figures printed, 1 a check failed and none printed, 2 could not run.

#include "loadgen.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process.h"

enum { FAILURES = 20, FIGURES = 80 };

struct options options = {
    .link = {.host = "127.0.0.1", .port = 1883, .tls_version = "1.3", .groups = "P-256"},
    .reader_fd = -1,
    .qos = 1,
    .reader_qos = 1,
    .payload = 256,
    .seconds = 5,
    .warmup = 1,
    .stall = 10,
    .bag = "%24.ct=application%2Fjson&%24.ce=utf-8&line=7&sensor=vibration",
};

static char failures[FAILURES][256];
static size_t failure_count;
static struct { const char *name; double value; } figures[FIGURES];
static size_t figure_count;
static struct identity *identities;
static size_t identities_in_file;

void failure(const char *format, ...) {
  if (failure_count < FAILURES) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failures[failure_count], sizeof failures[0], format, arguments);
    va_end(arguments);
  }
  failure_count++;
}

int has_failed(void) { return failure_count > 0; }

void figure(const char *name, double value) {
  if (figure_count == FIGURES) {
    fputs("loadgen: too many figures\n", stderr);
    exit(2);
  }
  figures[figure_count].name = name;
  figures[figure_count++].value = value;
}

void figure_cost(const char *name, uint64_t cpu, double count, double least) {
  double cost = (double)cpu / 1e3 / count;
  if (!options.pid) return;
  if (cost >= least) return figure(name, cost);
  failure("process %d spent %.2g us on each: is it the broker?", options.pid, cost);
}

void figure_latency(const char *prefix, const struct histogram *h) {
  static const struct { const char *suffix; double fraction; } wanted[] = {
      {"p50", .5}, {"p99", .99}, {"p99.9", .999}, {"max", 1}};
  if (!h->total) return;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    char *name;
    if (asprintf(&name, "%s_%s_us", prefix, wanted[i].suffix) < 0) exit(2);
    figure(name, (double)histogram_percentile(h, wanted[i].fraction) / 1000);
  }
}

size_t identity_count(void) { return identities_in_file; }

struct identity identity_at(size_t index) {
  if (identities) return identities[index % identities_in_file];
  char *name;
  if (asprintf(&name, "device-%05zu", index) < 0) exit(2);
  return (struct identity){name, NULL, NULL};
}

void put_connect(struct link *l, struct identity id, int clean) {
  mqtt_put_connect(&l->out, id.client, clean, 1200, id.user, id.password);
  link_touch(l);
}

int accepts(const struct mqtt_packet *p, struct identity id) {
  if (p->type == MQTT_CONNACK && p->length == 2 && p->body[1] == 0) return 1;
  if (p->type == MQTT_CONNACK && p->length == 2)
    failure("connection of %s refused with code %d", id.client, p->body[1]);
  else
    failure("connection of %s answered with packet type %d", id.client, p->type);
  return 0;
}

// Lines of client identifier, user name and password, separated by tabs; the last two may be
// empty or absent.
static void read_identities(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) {
    perror(path);
    exit(2);
  }
  char *line = NULL;
  size_t size = 0, capacity = 0;
  while (getline(&line, &size, file) > 0) {
    line[strcspn(line, "\r\n")] = 0;
    if (!*line) continue;
    if (identities_in_file == capacity) {
      capacity = capacity ? 2 * capacity : 64;
      identities = realloc(identities, capacity * sizeof *identities);
      if (!identities) exit(2);
    }
    char *rest = strdup(line);
    if (!rest) exit(2);
    struct identity id = {.client = strsep(&rest, "\t")};
    id.user = rest ? strsep(&rest, "\t") : NULL;
    id.password = rest;
    if (id.user && !*id.user) id.user = NULL;
    if (id.password && !*id.password) id.password = NULL;
    identities[identities_in_file++] = id;
  }
  free(line);
  fclose(file);
  if (!identities_in_file) {
    fprintf(stderr, "loadgen: %s: no identities\n", path);
    exit(2);
  }
}

static void print_text(const char *text) {
  putchar('"');
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') printf("\\%c", c);
    else if (c < 32) printf("\\u%04x", c);
    else putchar(c);
  }
  putchar('"');
}

static int report(int json) {
  for (size_t i = 0; i < figure_count; i++)
    if (!isfinite(figures[i].value)) failure("figure %s is not a number", figures[i].name);
  size_t shown = failure_count < FAILURES ? failure_count : FAILURES;
  if (!json) {
    for (size_t i = 0; i < shown; i++) printf("FAILED %s\n", failures[i]);
    if (failure_count > shown) printf("FAILED and %zu more\n", failure_count - shown);
    if (failure_count) return 1;
    for (size_t i = 0; i < figure_count; i++)
      printf("%-28s %.4g\n", figures[i].name, figures[i].value);
    return 0;
  }
  printf("{\"scenario\":");
  print_text(options.scenario);
  printf(",\"ok\":%s,\"failures\":[", failure_count ? "false" : "true");
  for (size_t i = 0; i < shown; i++) {
    if (i) putchar(',');
    print_text(failures[i]);
  }
  printf("],\"figures\":{");
  for (size_t i = 0; i < figure_count && !failure_count; i++)
    printf("%s\"%s\":%.9g", i ? "," : "", figures[i].name, figures[i].value);
  puts("}}");
  return failure_count ? 1 : 0;
}

// The shapes of the method; a zero or NULL means that the scenario doesn't care.
static const struct shape {
  const char *name;
  void (*run)(void);
  size_t publishers, readers, window, connections;
  enum reader_kind reader_kind;
  double rate;
  uint64_t messages;
  const char *topic, *filter;
} shapes[] = {
#define TELEMETRY_TOPIC "devices/{id}/messages/events/{bag}"
    {"one-to-one", run_flow, 1, 1, 100, 0, READERS_LIVE, 0, 0, "bench/one", "bench/one"},
    {"fan-in", run_flow, 50, 1, 20, 0, READERS_LIVE, 0, 0, "bench/in/{id}", "bench/in/#"},
    {"fan-out", run_flow, 1, 50, 20, 0, READERS_LIVE, 0, 0, "bench/out", "bench/out"},
    {"timetable-one-to-one", run_flow, 1, 1, 2000, 0, READERS_LIVE, 2000, 0, "bench/one",
     "bench/one"},
    {"timetable-fan-in", run_flow, 50, 1, 2000, 0, READERS_LIVE, 5000, 0, "bench/in/{id}",
     "bench/in/#"},
    {"timetable-fan-out", run_flow, 1, 50, 2000, 0, READERS_LIVE, 100, 0, "bench/out",
     "bench/out"},
    {"timetable-telemetry", run_flow, 50, 0, 2000, 0, READERS_NONE, 5000, 0, TELEMETRY_TOPIC,
     NULL},
    {"telemetry", run_flow, 50, 0, 10, 0, READERS_NONE, 0, 0, TELEMETRY_TOPIC, NULL},
    {"telemetry-live", run_flow, 50, 1, 10, 0, READERS_LIVE, 0, 0, TELEMETRY_TOPIC, "devices/#"},
    {"telemetry-absent", run_flow, 50, 1, 10, 0, READERS_ABSENT, 0, 0, TELEMETRY_TOPIC,
     "devices/#"},
    {"offline", run_flow, 1, 1, 100, 0, READERS_ABSENT, 0, 50000, "bench/kept", "bench/kept"},
    {"idle", run_idle, 0, 0, 0, 10000, READERS_NONE, 0, 0, NULL, NULL},
    {"connect", run_connects, 0, 0, 0, 16, READERS_NONE, 0, 0, NULL, NULL},
};

static const char usage[] =
    "usage: loadgen --scenario NAME [options]\n"
    "  --host H --port P          the broker (127.0.0.1, 1883)\n"
    "  --pid PID                  the broker's process, for CPU and memory\n"
    "  --tls 1.2|1.3              over TLS; --ca FILE checks the certificate,\n"
    "  --server-name N            against this name; --groups P-256 key exchange groups\n"
    "  --id-file FILE             lines of client id, user name, password, tab between:\n"
    "                             the publishers', and then the readers' if there are as many\n"
    "  --devices N --readers N    publishers and subscribers (the scenario's)\n"
    "  --qos 0|1 --payload BYTES --window N --rate PER_SECOND --messages N\n"
    "  --tick MS                  with --rate: all is read and sent every MS (at once)\n"
    "  --seconds S --warmup S --stall S (give up after S without progress)\n"
    "  --topic-template T         with {id}, {module} (what follows the / of the client id)\n"
    "                             and {bag}; --bag TEXT; --filter F\n"
    "  --reader-fd FD             frames (u32 length, payload) of an outside reader\n"
    "  --connections N            idle: how many; connect: how many at once\n"
    "  --resume                   connect: resume TLS sessions\n"
    "  --json\n"
    "scenarios:";

static int bad_usage(const char *why) {
  if (why) fprintf(stderr, "loadgen: %s\n", why);
  fputs(usage, stderr);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    fprintf(stderr, " %s", shapes[i].name);
  fputc('\n', stderr);
  return 2;
}

static const struct option long_options[] = {
    {"scenario", 1, 0, 's'}, {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},
    {"pid", 1, 0, 'P'},      {"tls", 1, 0, 't'},      {"ca", 1, 0, 'c'},
    {"server-name", 1, 0, 'n'}, {"groups", 1, 0, 'g'}, {"id-file", 1, 0, 'i'},
    {"devices", 1, 0, 'd'},  {"readers", 1, 0, 'R'},  {"qos", 1, 0, 'q'},
    {"payload", 1, 0, 'b'},  {"window", 1, 0, 'w'},   {"rate", 1, 0, 'r'},
    {"messages", 1, 0, 'm'}, {"seconds", 1, 0, 'S'},  {"warmup", 1, 0, 'W'},
    {"stall", 1, 0, 'l'},    {"topic-template", 1, 0, 'T'}, {"bag", 1, 0, 'B'},
    {"filter", 1, 0, 'f'},   {"reader-fd", 1, 0, 'F'}, {"connections", 1, 0, 'k'},
    {"resume", 0, 0, 'u'},   {"tick", 1, 0, 'x'},   {"json", 0, 0, 'j'},     {0, 0, 0, 0}};

static size_t to_count(const char *text) { return (size_t)strtoull(text, NULL, 10); }

// Returns 0 for an option that doesn't exist.
static int take_option(int option, const char *value, int *json) {
  switch (option) {
    case 's': options.scenario = value; break;
    case 'h': options.link.host = value; break;
    case 'p': options.link.port = (unsigned short)atoi(value); break;
    case 'P': options.pid = atoi(value); break;
    case 't': options.link.tls = 1, options.link.tls_version = value; break;
    case 'c': options.link.ca = value; break;
    case 'n': options.link.server_name = value; break;
    case 'g': options.link.groups = value; break;
    case 'i': options.id_file = value; break;
    case 'd': options.publishers = to_count(value); break;
    case 'R': options.readers = to_count(value); break;
    case 'q': options.qos = options.reader_qos = (unsigned)atoi(value); break;
    case 'b': options.payload = to_count(value); break;
    case 'w': options.window = to_count(value); break;
    case 'r': options.rate = atof(value); break;
    case 'm': options.messages = to_count(value); break;
    case 'S': options.seconds = atof(value); break;
    case 'W': options.warmup = atof(value); break;
    case 'x': options.tick = atof(value); break;
    case 'l': options.stall = atof(value); break;
    case 'T': options.topic = value; break;
    case 'B': options.bag = value; break;
    case 'f': options.filter = value; break;
    case 'F': options.reader_fd = atoi(value); break;
    case 'k': options.connections = to_count(value); break;
    case 'u': options.resume = 1; break;
    case 'j': *json = 1; break;
    default: return 0;
  }
  return 1;
}

static void take_shape(const struct shape *shape) {
#define INHERIT(field) if (!options.field) options.field = shape->field
  INHERIT(publishers);
  INHERIT(readers);
  INHERIT(window);
  INHERIT(connections);
  INHERIT(rate);
  INHERIT(messages);
  INHERIT(topic);
  INHERIT(filter);
  options.reader_kind = shape->reader_kind;
  // An outside reader takes the place of the scenario's own.
  if (options.reader_fd >= 0) options.readers = 0, options.reader_kind = READERS_NONE;
}

int main(int argc, char **argv) {
  int json = 0, option;
  while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
    if (!take_option(option, optarg, &json)) return bad_usage(NULL);
  const struct shape *shape = NULL;
  for (size_t i = 0; options.scenario && i < sizeof shapes / sizeof *shapes; i++)
    if (!strcmp(options.scenario, shapes[i].name)) shape = &shapes[i];
  if (!shape || optind < argc) return bad_usage("which scenario?");
  take_shape(shape);
  if (options.qos > 1) return bad_usage("--qos is 0 or 1");
  if (options.payload < 24) return bad_usage("--payload is at least 24: its head is the check");
  if (shape->run == run_flow && (options.window < 1 || options.window > 32768))
    return bad_usage("--window is 1 to 32768");
  if (options.id_file) read_identities(options.id_file);
  if (identities && options.publishers > identities_in_file)
    return bad_usage("fewer identities in --id-file than --devices");

  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  links_start(&options.link);
  shape->run();
  return report(json);
}
