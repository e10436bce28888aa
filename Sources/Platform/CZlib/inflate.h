#ifndef ORRERY_CZLIB_H
#define ORRERY_CZLIB_H
#include <zlib.h>

/// inflateInit2, which is a macro, for streams in the format of gzip.
static inline int czlib_begin(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

#endif
