#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

enum { READ_SIZE = 256 * 1024, EVENTS = 1024 };

static int poller = -1;
static SSL_CTX *tls_context;
static const char *server_name;
static struct sockaddr_storage address;
static socklen_t address_length;
static const struct link_events *events;
static struct link **dirty;
static size_t dirty_count, dirty_capacity;
static struct { int fd; void (*readable)(int); } watched = {-1, NULL};

static void fail(const char *what) {
  fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void fail_tls(const char *what) {
  fprintf(stderr, "loadgen: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(2);
}

static void start_tls(const struct link_settings *s) {
  tls_context = SSL_CTX_new(TLS_client_method());
  if (!tls_context) fail_tls("SSL_CTX_new");
  int version = !strcmp(s->tls_version, "1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(tls_context, version);
  SSL_CTX_set_max_proto_version(tls_context, version);
  SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(tls_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_read_ahead(tls_context, 1);
  if (!SSL_CTX_set1_groups_list(tls_context, s->groups)) fail_tls("--groups");
  if (!s->ca) return;
  if (!SSL_CTX_load_verify_locations(tls_context, s->ca, NULL)) fail_tls("--ca");
  SSL_CTX_set_verify(tls_context, SSL_VERIFY_PEER, NULL);
}

void links_start(const struct link_settings *s) {
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  char port[8];
  snprintf(port, sizeof port, "%hu", s->port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
  int error = getaddrinfo(s->host, port, &hints, &found);
  if (error) {
    fprintf(stderr, "loadgen: %s: %s\n", s->host, gai_strerror(error));
    exit(2);
  }
  memcpy(&address, found->ai_addr, found->ai_addrlen);
  address_length = found->ai_addrlen;
  freeaddrinfo(found);
  server_name = s->server_name ? s->server_name : s->host;
  if (s->tls) start_tls(s);
}

void links_listen(const struct link_events *e) { events = e; }

void links_watch(int fd, void (*readable)(int)) {
  watched.fd = fd;
  watched.readable = readable;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("the reader's descriptor");
}

static void watch(struct link *l, int operation, uint32_t what) {
  struct epoll_event event = {.events = what, .data.ptr = l};
  if (epoll_ctl(poller, operation, l->fd, &event)) fail("epoll_ctl");
}

static void await_room(struct link *l, int awaits) {
  if (l->awaits_room == awaits) return;
  l->awaits_room = awaits;
  watch(l, EPOLL_CTL_MOD, EPOLLIN | (awaits ? EPOLLOUT : 0u));
}

static SSL *new_tls(struct link *l) {
  SSL *tls = SSL_new(tls_context);
  if (!tls || !SSL_set_fd(tls, l->fd)) fail_tls("SSL_new");
  unsigned char ignored[16];
  int is_address = inet_pton(AF_INET, server_name, ignored) == 1 ||
                   inet_pton(AF_INET6, server_name, ignored) == 1;
  if (is_address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), server_name);
  } else {
    SSL_set_tlsext_host_name(tls, server_name);
    SSL_set1_host(tls, server_name);
  }
  if (l->session) SSL_set_session(tls, l->session);
  SSL_set_connect_state(tls);
  return tls;
}

void link_open(struct link *l) {
  l->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (l->fd < 0) fail("socket");
  int on = 1;
  setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  l->state = LINK_CONNECTING;
  l->awaits_room = 1;
  if (connect(l->fd, (struct sockaddr *)&address, address_length) && errno != EINPROGRESS)
    fail("connect");
  if (tls_context) l->tls = new_tls(l);
  watch(l, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

void link_close(struct link *l) {
  if (l->state == LINK_CLOSED) return;
  l->state = LINK_CLOSED;
  if (l->tls) {
    SSL_shutdown(l->tls);
    SSL_free(l->tls);
    l->tls = NULL;
  }
  close(l->fd);
  ERR_clear_error();
  buffer_free(&l->partial);
  buffer_free(&l->out);
}

static void lose(struct link *l, const char *why) {
  link_close(l);
  events->closed(l, why);
}

void link_touch(struct link *l) {
  if (l->is_dirty) return;
  l->is_dirty = 1;
  if (dirty_count == dirty_capacity) {
    dirty_capacity = dirty_capacity ? 2 * dirty_capacity : 256;
    dirty = realloc(dirty, dirty_capacity * sizeof(struct link *));
    if (!dirty) fail("realloc");
  }
  dirty[dirty_count++] = l;
}

int link_keep_session(struct link *l) {
  if (!l->tls) return 0;
  SSL_SESSION *session = SSL_get1_session(l->tls);
  if (session && !SSL_SESSION_is_resumable(session)) {
    SSL_SESSION_free(session);
    session = NULL;
  }
  if (!session) return l->session != NULL;
  SSL_SESSION_free(l->session);
  l->session = session;
  return 1;
}

int link_was_resumed(const struct link *l) { return l->tls && SSL_session_reused(l->tls); }

// Whether the last read ended for want of room, and TLS may hold more of it.
static int is_more_held;

// Bytes read or written, 0 when the socket has no more to give or take, -1 when it has ended.
static ssize_t link_read(struct link *l, void *bytes, size_t count) {
  if (!l->tls) {
    ssize_t n = read(l->fd, bytes, count);
    return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
  }
  size_t sum = 0;
  is_more_held = 0;
  while (!(is_more_held = count - sum < SSL3_RT_MAX_PLAIN_LENGTH)) {
    int n = SSL_read(l->tls, (char *)bytes + sum, (int)(count - sum));
    if (n > 0) {
      sum += (size_t)n;
      continue;
    }
    int error = SSL_get_error(l->tls, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE || sum) break;
    return -1;
  }
  return (ssize_t)sum;
}

static ssize_t link_write(struct link *l, const void *bytes, size_t count) {
  if (!l->tls) {
    ssize_t n = send(l->fd, bytes, count, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
  }
  int n = SSL_write(l->tls, bytes, (int)count);
  if (n > 0) return n;
  int error = SSL_get_error(l->tls, n);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void flush(struct link *l) {
  while (buffer_count(&l->out)) {
    ssize_t n = link_write(l, l->out.bytes + l->out.start, buffer_count(&l->out));
    if (n < 0) return lose(l, "write failed");
    buffer_consume(&l->out, (size_t)n);
    if (!n || !l->tls) break;
  }
  await_room(l, buffer_count(&l->out) > 0);
}

void links_flush(void) {
  for (size_t i = 0; i < dirty_count; i++) {
    dirty[i]->is_dirty = 0;
    if (dirty[i]->state == LINK_OPEN && !dirty[i]->awaits_room) flush(dirty[i]);
  }
  dirty_count = 0;
}

// Hands on the whole packets in `bytes`; returns how many bytes they took.
static size_t parse(struct link *l, const uint8_t *bytes, size_t count) {
  size_t at = 0;
  while (l->state == LINK_OPEN) {
    struct mqtt_packet packet;
    ptrdiff_t size = mqtt_parse(bytes + at, count - at, &packet);
    if (size < 0) lose(l, "a packet with an endless length");
    if (size <= 0) break;
    events->packet(l, &packet);
    at += (size_t)size;
  }
  return at;
}

static void receive(struct link *l) {
  static uint8_t shared[READ_SIZE];
  size_t held = buffer_count(&l->partial);
  if (held > sizeof shared / 2) return lose(l, "a packet larger than the generator takes");
  if (held) memcpy(shared, l->partial.bytes + l->partial.start, held);
  ssize_t n = link_read(l, shared + held, sizeof shared - held);
  if (n < 0) return lose(l, "closed by the broker");
  if (!n) return;
  size_t count = held + (size_t)n, taken = parse(l, shared, count);
  if (l->state != LINK_OPEN) return;
  buffer_consume(&l->partial, held);
  buffer_append(&l->partial, shared + taken, count - taken);
  if (!buffer_count(&l->partial)) buffer_free(&l->partial);
  // What TLS holds decrypted raises no event of its own.
  if (l->tls && is_more_held) receive(l);
}

static void handshake(struct link *l) {
  if (l->state == LINK_CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return lose(l, strerror(error));
    l->state = LINK_HANDSHAKING;
  }
  if (l->tls) {
    int result = SSL_do_handshake(l->tls);
    int error = SSL_get_error(l->tls, result);
    if (error == SSL_ERROR_WANT_READ) return await_room(l, 0);
    if (error == SSL_ERROR_WANT_WRITE) return await_room(l, 1);
    if (result != 1) return lose(l, "TLS handshake failed");
  }
  l->state = LINK_OPEN;
  await_room(l, 0);
  events->opened(l);
}

void links_turn(uint64_t until) {
  static struct epoll_event happened[EVENTS];
  uint64_t now = monotonic_ns(), left = until > now ? until - now : 0;
  struct timespec wait = {.tv_sec = (time_t)(left / 1000000000u),
                          .tv_nsec = (long)(left % 1000000000u)};
  int count = epoll_pwait2(poller, happened, EVENTS, &wait, NULL);
  if (count < 0 && errno != EINTR) fail("epoll_pwait2");
  for (int i = 0; i < count; i++) {
    struct link *l = happened[i].data.ptr;
    if (!l) {
      watched.readable(watched.fd);
      continue;
    }
    if (l->state == LINK_CONNECTING && !(happened[i].events & ~(uint32_t)EPOLLIN)) continue;
    if (l->state == LINK_CONNECTING || l->state == LINK_HANDSHAKING) {
      handshake(l);
      if (l->state != LINK_OPEN || !l->tls) continue;
    }
    if (l->state == LINK_OPEN && happened[i].events & EPOLLOUT) flush(l);
    if (l->state == LINK_OPEN && happened[i].events & ~(uint32_t)EPOLLOUT) receive(l);
  }
}
