// An outside reader of a hub's events: follows the stream by HTTPS long-poll and writes every
// telemetry body to its standard output, behind its length as a big-endian 32-bit number.
//
// usage: eventreader HOST PORT SERVER-NAME CA-FILE TOKEN-FILE

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdnoreturn.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"

enum { READ_SIZE = 64 * 1024, PATIENCE = 30 };

static const char *program_host, *program_port, *server_name;
static char *token;
static SSL *tls;
static struct buffer in, out;
static char continuation[8193];

static noreturn void fail(const char *what) {
  fprintf(stderr, "eventreader: %s\n", what);
  ERR_print_errors_fp(stderr);
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

// ---- the connection

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

static void read_more(void) {
  int n = SSL_read(tls, buffer_reserve(&in, READ_SIZE), READ_SIZE);
  if (n <= 0) fail("the hub closed the connection");
  in.end += (size_t)n;
}

// Reads until `count` bytes are there.
static void await_bytes(size_t count) {
  while (buffer_count(&in) < count) read_more();
}

// Reads until a line has ended; takes it off and returns it, without its end, until the next call.
static const char *take_line(void) {
  static char line[4096];
  const uint8_t *end;
  size_t searched = 0;
  while (!(end = memchr(in.bytes + in.start + searched, '\n', buffer_count(&in) - searched))) {
    searched = buffer_count(&in);
    read_more();
  }
  size_t length = (size_t)(end - (in.bytes + in.start));
  if (length >= sizeof line) fail("an endless line");
  memcpy(line, in.bytes + in.start, length);
  line[length] = 0;
  line[strcspn(line, "\r")] = 0;
  buffer_consume(&in, length + 1);
  return line;
}

static void ask(void) {
  static char request[16384];
  int length = snprintf(
      request, sizeof request,
      "GET /events?api-version=2021-04-12&timeout=10&max=1000&partition=all&%s%s HTTP/1.1\r\n"
      "Host: %s\r\nAuthorization: %s\r\n\r\n",
      *continuation ? "continuation=" : "from=earliest", continuation, server_name, token);
  if (length <= 0 || (size_t)length >= sizeof request) fail("the request is too long");
  if (SSL_write(tls, request, length) != length) fail("the request was not written");
}

// Reads an answer; its body is left in `body`.
static void await_answer(struct buffer *body) {
  const char *line = take_line();
  if (strncmp(line, "HTTP/1.1 200", 12)) fail(line);
  size_t length = 0;
  int is_chunked = 0;
  while (*(line = take_line())) {
    if (!strncasecmp(line, "content-length:", 15)) length = strtoull(line + 15, NULL, 10);
    if (!strncasecmp(line, "transfer-encoding:", 18)) is_chunked = 1;
  }
  do {
    if (is_chunked) length = strtoull(take_line(), NULL, 16);
    await_bytes(length);
    buffer_append(body, in.bytes + in.start, length);
    buffer_consume(&in, length);
    if (is_chunked) take_line();
  } while (is_chunked && length);
}

// ---- the answer's JSON

static unsigned hex_digit(uint8_t c) {
  return (c <= '9' ? c - (unsigned)'0' : (c | 32u) - 'a' + 10) & 15;
}

// Decodes a string in place, `at` behind its opening quote; returns where its closing quote is.
static uint8_t *decode_string(uint8_t *at, const uint8_t *end, uint8_t **decoded_end) {
  uint8_t *to = at;
  for (; at < end && *at != '"'; at++) {
    if (*at != '\\') {
      *to++ = *at;
      continue;
    }
    if (++at >= end) fail("JSON that is cut short");
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *name = strchr(names, *at);
    if (*at == 'u') {
      // The hub escapes control characters only; all others come as UTF-8.
      if (end - at < 5 || hex_digit(at[1]) || hex_digit(at[2]) || at[3] > '7')
        fail("an escape beyond ASCII");
      *to++ = (uint8_t)(hex_digit(at[3]) << 4 | hex_digit(at[4]));
      at += 4;
    } else {
      *to++ = name ? (uint8_t)values[name - names] : *at;
    }
  }
  if (at >= end) fail("JSON that is cut short");
  *decoded_end = to;
  return at;
}

static size_t decode_base64(const uint8_t *text, size_t length, uint8_t *to) {
  if (length % 4) fail("Base64 that is cut short");
  int n = EVP_DecodeBlock(to, text, (int)length);
  if (n < 0) fail("Base64 that is none");
  while (length && text[--length] == '=') n--;
  return (size_t)n;
}

static void put_frame(const uint8_t *bytes, size_t length, int is_base64) {
  uint8_t *to = buffer_reserve(&out, 4 + length + 3);
  if (is_base64) {
    length = decode_base64(bytes, length, to + 4);
  } else {
    memcpy(to + 4, bytes, length);
  }
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(length >> (24 - 8 * i));
  out.end += 4 + length;
}

static int is_word(const uint8_t *text, const uint8_t *end, const char *word) {
  size_t length = strlen(word);
  return (size_t)(end - text) == length && !memcmp(text, word, length);
}

// Takes the telemetry bodies and the continuation. No general parser: it looks at members whose
// values are strings, wherever they stand, and relies on `bodyEncoding` coming before `body`.
static void take_events(uint8_t *at, const uint8_t *end) {
  int is_base64 = 0, is_telemetry = 0;
  while (at < end) {
    if (*at++ != '"') continue;
    uint8_t *name = at, *name_end, *value, *value_end;
    at = decode_string(at, end, &name_end) + 1;
    if (end - at < 2 || at[0] != ':' || at[1] != '"') continue;
    value = at + 2;
    at = decode_string(value, end, &value_end) + 1;
    if (is_word(name, name_end, "iothub-message-source")) {
      is_telemetry = is_word(value, value_end, "Telemetry");
    } else if (is_word(name, name_end, "bodyEncoding")) {
      is_base64 = is_word(value, value_end, "base64");
    } else if (is_word(name, name_end, "body")) {
      if (is_telemetry) put_frame(value, (size_t)(value_end - value), is_base64);
    } else if (is_word(name, name_end, "continuation")) {
      size_t length = (size_t)(value_end - value);
      if (length >= sizeof continuation) fail("an endless continuation");
      memcpy(continuation, value, length);
      continuation[length] = 0;
    }
  }
}

static void hand_on(void) {
  while (buffer_count(&out)) {
    ssize_t n = write(STDOUT_FILENO, out.bytes + out.start, buffer_count(&out));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) exit(0);  // the generator has what it wanted
    buffer_consume(&out, (size_t)n);
  }
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fputs("usage: eventreader HOST PORT SERVER-NAME CA-FILE TOKEN-FILE\n", stderr);
    return 2;
  }
  program_host = argv[1];
  program_port = argv[2];
  server_name = argv[3];
  token = first_line(argv[5]);
  open_tls(argv[4]);
  struct buffer body = {0};
  for (;;) {
    ask();
    await_answer(&body);
    take_events(body.bytes + body.start, body.bytes + body.end);
    buffer_consume(&body, buffer_count(&body));
    hand_on();
  }
}
