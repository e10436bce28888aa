// The part of MQTT 3.1.1 that a benchmark needs: packets written and headers read.
#ifndef MQTT_H
#define MQTT_H

#include "buffer.h"

enum {
  MQTT_CONNECT = 1, MQTT_CONNACK = 2, MQTT_PUBLISH = 3, MQTT_PUBACK = 4, MQTT_SUBSCRIBE = 8,
  MQTT_SUBACK = 9, MQTT_PINGREQ = 12, MQTT_PINGRESP = 13, MQTT_DISCONNECT = 14,
};

// One packet as it lies in a receive buffer. `body` points behind the fixed header.
struct mqtt_packet {
  uint8_t type, flags;
  const uint8_t *body;
  size_t length;
};

static inline uint16_t mqtt_u16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

// Lays out the packet at the front of `bytes`. Returns its whole size, 0 while it is incomplete,
// -1 when the remaining length has more than four bytes (section 2.2.3).
static inline ptrdiff_t mqtt_parse(const uint8_t *bytes, size_t count, struct mqtt_packet *out) {
  size_t length = 0;
  for (size_t i = 1; i <= 4; i++) {
    if (i >= count) return 0;
    length |= (size_t)(bytes[i] & 0x7f) << (7 * (i - 1));
    if (bytes[i] & 0x80) continue;
    if (count - (i + 1) < length) return 0;
    *out = (struct mqtt_packet){bytes[0] >> 4, bytes[0] & 15, bytes + i + 1, length};
    return (ptrdiff_t)(i + 1 + length);
  }
  return -1;
}

static inline void mqtt_put_u8(struct buffer *b, unsigned value) {
  uint8_t byte = (uint8_t)value;
  buffer_append(b, &byte, 1);
}

static inline void mqtt_put_u16(struct buffer *b, unsigned value) {
  uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
  buffer_append(b, bytes, 2);
}

static inline void mqtt_put_string(struct buffer *b, const char *text) {
  size_t count = strlen(text);
  mqtt_put_u16(b, (unsigned)count);
  buffer_append(b, text, count);
}

static inline void mqtt_put_header(struct buffer *b, unsigned first, size_t length) {
  uint8_t bytes[5] = {(uint8_t)first};
  size_t n = 1;
  do {
    bytes[n] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    n++;
    length >>= 7;
  } while (length);
  buffer_append(b, bytes, n);
}

// A user name or password of NULL is left out, and its flag is 0.
static inline void mqtt_put_connect(struct buffer *b, const char *client, int clean,
                                    unsigned keep_alive, const char *user, const char *password) {
  size_t length = 10 + 2 + strlen(client);
  unsigned flags = clean ? 2 : 0;
  if (user) length += 2 + strlen(user), flags |= 0x80;
  if (password) length += 2 + strlen(password), flags |= 0x40;
  mqtt_put_header(b, MQTT_CONNECT << 4, length);
  mqtt_put_string(b, "MQTT");
  mqtt_put_u8(b, 4);
  mqtt_put_u8(b, flags);
  mqtt_put_u16(b, keep_alive);
  mqtt_put_string(b, client);
  if (user) mqtt_put_string(b, user);
  if (password) mqtt_put_string(b, password);
}

static inline void mqtt_put_subscribe(struct buffer *b, unsigned id, const char *filter,
                                      unsigned qos) {
  mqtt_put_header(b, MQTT_SUBSCRIBE << 4 | 2, 2 + 2 + strlen(filter) + 1);
  mqtt_put_u16(b, id);
  mqtt_put_string(b, filter);
  mqtt_put_u8(b, qos);
}

// Everything of a PUBLISH but its payload, of which `payload` bytes must follow.
static inline void mqtt_put_publish(struct buffer *b, const char *topic, size_t topic_length,
                                    unsigned qos, unsigned id, size_t payload) {
  mqtt_put_header(b, MQTT_PUBLISH << 4 | qos << 1, 2 + topic_length + (qos ? 2 : 0) + payload);
  mqtt_put_u16(b, (unsigned)topic_length);
  buffer_append(b, topic, topic_length);
  if (qos) mqtt_put_u16(b, id);
}

// CONNACK, PUBACK and the other packets whose whole body is two bytes.
static inline void mqtt_put_short(struct buffer *b, unsigned type, unsigned value) {
  uint8_t bytes[4] = {(uint8_t)(type << 4), 2, (uint8_t)(value >> 8), (uint8_t)value};
  buffer_append(b, bytes, 4);
}

// PINGREQ, PINGRESP, DISCONNECT.
static inline void mqtt_put_empty(struct buffer *b, unsigned type) {
  uint8_t bytes[2] = {(uint8_t)(type << 4), 0};
  buffer_append(b, bytes, 2);
}

#endif
