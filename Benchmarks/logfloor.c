// What stable storage alone allows: appends batches of records to a file that was written out
// before, each batch followed by fdatasync, and nothing else.
//
// usage: logfloor FILE [RECORD_BYTES [BATCH [SECONDS [FILE_MEGABYTES]]]]
// Prints one line of JSON and removes the file.

#include <fcntl.h>
#include <unistd.h>

#include "histogram.h"
#include "process.h"

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void write_all(int fd, const char *bytes, size_t count, off_t at) {
  while (count) {
    ssize_t n = pwrite(fd, bytes, count, at);
    if (n <= 0) fail("pwrite");
    bytes += n, at += n, count -= (size_t)n;
  }
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs("usage: logfloor FILE [RECORD_BYTES [BATCH [SECONDS [FILE_MEGABYTES]]]]\n", stderr);
    return 2;
  }
  size_t record = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
  size_t batch = argc > 3 ? strtoull(argv[3], NULL, 10) : 500;
  double seconds = argc > 4 ? atof(argv[4]) : 3;
  size_t size = (argc > 5 ? strtoull(argv[5], NULL, 10) : 128) << 20;
  size_t chunk = record * batch;
  if (record < 8 || !batch || chunk > size) {
    fputs("logfloor: a record has at least 8 bytes, and a batch must fit the file\n", stderr);
    return 2;
  }
  int fd = open(argv[1], O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) fail(argv[1]);
  static char zeros[1 << 20];
  for (size_t at = 0; at < size; at += sizeof zeros) write_all(fd, zeros, sizeof zeros, (off_t)at);
  if (fsync(fd)) fail("fsync");

  char *records = malloc(record), *bytes = malloc(chunk);
  static struct histogram syncs;
  if (!records || !bytes) fail("malloc");
  memset(records, 'r', record);
  uint64_t sequence = 0, batches = 0, began = monotonic_ns(), cpu = own_cpu_ns(), now = began;
  for (size_t at = 0; (double)(now - began) < seconds * 1e9; batches++) {
    for (size_t i = 0; i < batch; i++) {
      memcpy(records, &sequence, sizeof sequence);
      memcpy(bytes + i * record, records, record);
      sequence++;
    }
    if (size - at < chunk) at = 0;
    write_all(fd, bytes, chunk, (off_t)at);
    uint64_t before = monotonic_ns();
    if (fdatasync(fd)) fail("fdatasync");
    now = monotonic_ns();
    histogram_add(&syncs, now - before);
    at += chunk;
  }
  cpu = own_cpu_ns() - cpu;
  double took = (double)(now - began);
  close(fd);
  if (unlink(argv[1])) fail("unlink");
  printf("{\"record_bytes\":%zu,\"batch\":%zu,\"records_per_s\":%.0f,\"syncs_per_s\":%.0f,"
         "\"cpu_us_per_record\":%.3f,\"sync_p50_us\":%.0f,\"sync_p99_us\":%.0f}\n",
         record, batch, (double)sequence / took * 1e9, (double)batches / took * 1e9,
         (double)cpu / 1e3 / (double)sequence,
         (double)histogram_percentile(&syncs, .5) / 1e3,
         (double)histogram_percentile(&syncs, .99) / 1e3);
  return 0;
}
