// What the public-key operations of one full handshake cost a server on this core: an ECDSA
// P-256 signature, and the two halves of a P-256 key agreement, generation and derivation.
//
// usage: keyfloor [SECONDS_EACH]        prints one line of JSON, in CPU microseconds

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static EVP_PKEY *own, *peer;

static void require(int is_good) {
  if (is_good) return;
  ERR_print_errors_fp(stderr);
  exit(1);
}

static double cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void sign(void) {
  unsigned char digest_input[64] = {0}, signature[128];
  size_t length = sizeof signature;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  require(context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, own) == 1);
  require(EVP_DigestSign(context, signature, &length, digest_input, sizeof digest_input) == 1);
  EVP_MD_CTX_free(context);
}

static void generate(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  require(key != NULL);
  EVP_PKEY_free(key);
}

static void derive(void) {
  unsigned char secret[32];
  size_t length = sizeof secret;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
  require(context && EVP_PKEY_derive_init(context) == 1);
  require(EVP_PKEY_derive_set_peer(context, peer) == 1);
  require(EVP_PKEY_derive(context, secret, &length) == 1);
  EVP_PKEY_CTX_free(context);
}

static double cost(void (*operation)(void), double seconds) {
  for (int i = 0; i < 50; i++) operation();
  double began = cpu_us(), now = began;
  uint64_t count = 0;
  for (; now - began < seconds * 1e6; now = cpu_us(), count += 20)
    for (int i = 0; i < 20; i++) operation();
  return (now - began) / (double)count;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 0.5;
  own = EVP_EC_gen("P-256");
  peer = EVP_EC_gen("P-256");
  require(own && peer);
  double signature = cost(sign, seconds), generation = cost(generate, seconds);
  double derivation = cost(derive, seconds);
  printf("{\"sign_us\":%.2f,\"generate_us\":%.2f,\"derive_us\":%.2f,\"sum_us\":%.2f}\n", signature,
         generation, derivation, signature + generation + derivation);
  return 0;
}
