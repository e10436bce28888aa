// An outside reader of a hub's events, over AMQP 1.0 and TLS, with all partitions on one
// connection, from the oldest event on.
//
// Writes every body to its standard output, behind its length as a big-endian 32-bit number; or,
// with --count, reads that many events, and then writes what they took as one JSON object.
//
// usage: eventreader HOST PORT SERVER-NAME CA-FILE TOKEN-FILE PARTITIONS [--count N]

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/message.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/transport.h>
#include <stdnoreturn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"

enum { PATIENCE = 30, CREDIT = 2048, LONGEST = 1 << 20, OUTPUT_SIZE = 64 * 1024 };

static const char *program_host, *program_port, *server_name;
static char *token;
static int partitions;
static unsigned long long wanted, seen;
static struct timespec began;
static SSL *tls;
static struct buffer out;
static pn_connection_t *connection;
static pn_transport_t *transport;
static pn_collector_t *collector;
static pn_session_t *session;
static pn_link_t *asking, *answers;

static noreturn void fail(const char *what) {
  fprintf(stderr, "eventreader: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(2);
}

static noreturn void fail_for(const char *what, pn_condition_t *condition) {
  if (!condition || !pn_condition_is_set(condition)) fail(what);
  const char *text = pn_condition_get_description(condition);
  fprintf(stderr, "eventreader: %s: %s %s\n", what, pn_condition_get_name(condition),
          text ? text : "");
  exit(2);
}

static char *first_line(const char *path) {
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t size = 0;
  if (!file || getline(&line, &size, file) <= 0) fail("no token in its file");
  line[strcspn(line, "\r\n")] = 0;
  fclose(file);
  return line;
}

// ---- the stream

static int open_socket(void) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
  if (getaddrinfo(program_host, program_port, &hints, &found)) fail("the host is not known");
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen)) fail("connect");
  freeaddrinfo(found);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct timeval patience = {.tv_sec = PATIENCE};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static void open_tls(const char *authority) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context || !SSL_CTX_load_verify_locations(context, authority, NULL)) fail("the CA file");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_read_ahead(context, 1);
  tls = SSL_new(context);
  unsigned char ignored[16];
  if (inet_pton(AF_INET, server_name, ignored) == 1 ||
      inet_pton(AF_INET6, server_name, ignored) == 1) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), server_name);
  } else {
    SSL_set_tlsext_host_name(tls, server_name);
    SSL_set1_host(tls, server_name);
  }
  if (!SSL_set_fd(tls, open_socket()) || SSL_connect(tls) != 1) fail("TLS handshake");
}

static void write_pending(void) {
  ssize_t pending;
  while ((pending = pn_transport_pending(transport)) > 0) {
    int n = SSL_write(tls, pn_transport_head(transport), (int)pending);
    if (n <= 0) fail("the connection is gone");
    pn_transport_pop(transport, (size_t)n);
  }
}

static void read_more(void) {
  ssize_t capacity = pn_transport_capacity(transport);
  if (capacity <= 0) fail_for("the hub closed", pn_transport_condition(transport));
  int n = SSL_read(tls, pn_transport_tail(transport), (int)capacity);
  if (n <= 0) fail("nothing came, or the connection is gone");
  pn_transport_process(transport, (size_t)n);
}

// ---- what comes

static double seconds_between(struct timespec from, struct timespec to) {
  return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static noreturn void report(void) {
  struct timespec now;
  struct rusage usage;
  clock_gettime(CLOCK_MONOTONIC, &now);
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"messages\": %llu, \"seconds\": %.6f, \"reader_cpu_seconds\": %.6f}\n", seen,
         seconds_between(began, now), cpu);
  exit(0);
}

static void hand_on(void) {
  while (buffer_count(&out)) {
    ssize_t n = write(STDOUT_FILENO, out.bytes + out.start, buffer_count(&out));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) exit(0);  // the generator has what it wanted
    buffer_consume(&out, (size_t)n);
  }
}

static size_t big_endian(const uint8_t *at, int width) {
  size_t value = 0;
  while (width--) value = value << 8 | *at++;
  return value;
}

// Where the value at `at` ends (AMQP 1.0 part 1 §1.2): by the upper half of its constructor.
static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end) {
  static const size_t fixed[] = {[4] = 0, [5] = 1, [6] = 2, [7] = 4, [8] = 8, [9] = 16};
  if (at >= end) fail("a message that is cut short");
  int class = *at++ >> 4;
  if (class < 4) fail("a value of no type");
  int width = class < 10 ? 0 : class & 1 ? 4 : 1;
  if (end - at < width) fail("a message that is cut short");
  size_t size = width ? big_endian(at, width) : fixed[class];
  if ((size_t)(end - at - width) < size) fail("a message that is cut short");
  return at + width + size;
}

// Puts the body, which is one data section, behind its length.
static void take_message(const uint8_t *at, const uint8_t *end) {
  while (end - at > 2) {
    if (*at++) fail("a section without a descriptor");
    int is_data = at[0] == 0x53 && at[1] == 0x75;
    at = skip_value(at, end);
    const uint8_t *value = at;
    at = skip_value(at, end);
    if (!is_data) continue;
    if (*value != 0xa0 && *value != 0xb0) fail("a body that is no binary");
    const uint8_t *body = value + (*value == 0xa0 ? 2 : 5);
    size_t length = (size_t)(at - body);
    uint8_t *to = buffer_reserve(&out, 4 + length);
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(length >> (24 - 8 * i));
    memcpy(to + 4, body, length);
    out.end += 4 + length;
    return;
  }
  fail("a message without a body");
}

static void take_delivery(pn_link_t *link, pn_delivery_t *delivery) {
  static uint8_t message[LONGEST];
  if (!pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) return;
  ssize_t length = pn_link_recv(link, (char *)message, sizeof message);
  if (length < 0) fail("a message that can't be read");
  pn_link_advance(link);
  pn_delivery_settle(delivery);
  if (!seen++) clock_gettime(CLOCK_MONOTONIC, &began);
  if (!wanted) {
    take_message(message, message + length);
    if (buffer_count(&out) > OUTPUT_SIZE) hand_on();
  } else if (seen == wanted) {
    report();
  }
  int credit = pn_link_credit(link);
  if (credit < CREDIT / 2) pn_link_flow(link, CREDIT - credit);
}

// ---- what is asked

static void send_token(void) {
  static char encoded[8192];
  size_t size = sizeof encoded;
  pn_message_t *message = pn_message();
  pn_message_set_address(message, "$cbs");
  pn_message_set_reply_to(message, "reader");
  pn_data_t *data = pn_message_id(message);
  pn_data_put_string(data, pn_bytes(1, "1"));
  data = pn_message_properties(message);
  const char *pairs[][2] = {
      {"operation", "put-token"}, {"type", "servicebus.windows.net:sastoken"}, {"name", server_name}};
  pn_data_put_map(data);
  pn_data_enter(data);
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    for (size_t j = 0; j < 2; j++)
      pn_data_put_string(data, pn_bytes(strlen(pairs[i][j]), pairs[i][j]));
  pn_data_exit(data);
  pn_data_put_string(pn_message_body(message), pn_bytes(strlen(token), token));
  if (pn_message_encode(message, encoded, &size)) fail("the token can't be encoded");
  pn_message_free(message);
  pn_delivery(asking, pn_dtag("token", 5));
  pn_link_send(asking, encoded, size);
  pn_link_advance(asking);
}

static void open_readers(void) {
  char name[128];
  for (int i = 0; i < partitions; i++) {
    snprintf(name, sizeof name, "partition-%d", i);
    pn_link_t *link = pn_receiver(session, name);
    snprintf(name, sizeof name, "%s/ConsumerGroups/$Default/Partitions/%d", server_name, i);
    pn_terminus_set_address(pn_link_source(link), name);
    pn_terminus_set_address(pn_link_target(link), "reader");
    pn_link_set_snd_settle_mode(link, PN_SND_SETTLED);
    pn_link_open(link);
    pn_link_flow(link, CREDIT);
  }
}

static void take_answer(pn_delivery_t *delivery) {
  static char encoded[8192];
  if (!pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) return;
  ssize_t length = pn_link_recv(answers, encoded, sizeof encoded);
  pn_link_advance(answers);
  pn_delivery_settle(delivery);
  pn_message_t *message = pn_message();
  if (length < 0 || pn_message_decode(message, encoded, (size_t)length)) fail("no answer");
  pn_data_t *data = pn_message_properties(message);
  pn_data_rewind(data);
  pn_data_next(data);
  size_t count = pn_data_get_map(data);
  pn_data_enter(data);
  int status = 0;
  for (size_t i = 0; i + 1 < count; i += 2) {
    pn_data_next(data);
    pn_bytes_t key = pn_data_get_string(data);
    pn_data_next(data);
    if (key.size == 11 && !memcmp(key.start, "status-code", 11)) status = pn_data_get_int(data);
  }
  pn_message_free(message);
  if (status != 200 && status != 202) fail("the token is refused");
  open_readers();
}

static void open_all(void) {
  connection = pn_connection();
  transport = pn_transport();
  collector = pn_collector();
  pn_connection_collect(connection, collector);
  pn_connection_set_container(connection, "eventreader");
  pn_connection_set_hostname(connection, server_name);
  pn_sasl_allowed_mechs(pn_sasl(transport), "ANONYMOUS");
  pn_transport_bind(transport, connection);
  pn_connection_open(connection);
  session = pn_session(connection);
  pn_session_set_incoming_capacity(session, 16 << 20);
  pn_session_open(session);
  asking = pn_sender(session, "asking");
  pn_terminus_set_address(pn_link_target(asking), "$cbs");
  pn_terminus_set_address(pn_link_source(asking), "reader");
  pn_link_open(asking);
  answers = pn_receiver(session, "answers");
  pn_terminus_set_address(pn_link_source(answers), "$cbs");
  pn_terminus_set_address(pn_link_target(answers), "reader");
  pn_link_open(answers);
  pn_link_flow(answers, 10);
}

static void take(pn_event_t *event) {
  static int has_asked;
  pn_link_t *link = pn_event_link(event);
  switch (pn_event_type(event)) {
    case PN_LINK_FLOW:
      if (link == asking && !has_asked && pn_link_credit(link) > 0) {
        has_asked = 1;
        send_token();
      }
      break;
    case PN_DELIVERY:
      if (link == answers) {
        take_answer(pn_event_delivery(event));
      } else if (pn_link_is_receiver(link)) {
        take_delivery(link, pn_event_delivery(event));
      }
      break;
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH: fail_for("a link was refused", pn_link_remote_condition(link));
    case PN_SESSION_REMOTE_CLOSE:
      fail_for("the session was ended", pn_session_remote_condition(session));
    case PN_CONNECTION_REMOTE_CLOSE:
      fail_for("the connection was closed", pn_connection_remote_condition(connection));
    case PN_TRANSPORT_ERROR: fail_for("no AMQP", pn_transport_condition(transport));
    default: break;
  }
}

int main(int argc, char **argv) {
  if (argc != 7 && !(argc == 9 && !strcmp(argv[7], "--count"))) {
    fputs("usage: eventreader HOST PORT SERVER-NAME CA-FILE TOKEN-FILE PARTITIONS [--count N]\n",
          stderr);
    return 2;
  }
  program_host = argv[1];
  program_port = argv[2];
  server_name = argv[3];
  token = first_line(argv[5]);
  partitions = atoi(argv[6]);
  if (argc == 9) wanted = strtoull(argv[8], NULL, 10);
  open_tls(argv[4]);
  open_all();
  for (;;) {
    for (pn_event_t *event; (event = pn_collector_peek(collector)); pn_collector_pop(collector))
      take(event);
    hand_on();
    write_pending();
    read_more();
  }
}
