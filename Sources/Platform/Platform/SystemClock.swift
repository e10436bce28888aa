package import ByteIO
import CLinux
import Glibc

/// The machine's clocks.
///
/// Everything below the services gets its readings passed in.
package enum SystemClock {
  /// A reading of the monotonic clock.
  package static func now() -> Instant { Instant(nanoseconds: clinux_monotonic_nanoseconds()) }

  /// Units of 100 ns since 1970-01-01T00:00:00Z by the wall clock.
  package static func wallTicks() -> Int64 { clinux_wall_nanoseconds() / 100 }

  /// Milliseconds since 1970-01-01T00:00:00Z by the wall clock.
  package static func wallMilliseconds() -> Int64 { clinux_wall_nanoseconds() / 1_000_000 }
}

/// What the machine has.
package enum Machine {
  /// CRC-32C by the processor's own instruction where it has one, else by tables.
  package static func crc32c() -> CRC32C {
    guard clinux_has_crc32c() == 1 else { return CRC32C() }
    return CRC32C { bytes, previous in
      bytes.withUnsafeBufferPointer { clinux_crc32c(previous, $0.baseAddress, $0.count) }
    }
  }

  /// Lets a thread run that was just woken and waits for this processor.
  package static func yield() { sched_yield() }

  /// Processors that this process may run on, at least 1.
  package static var usableProcessors: Int { Int(clinux_usable_processors()) }

  /// Gives memory that the allocator keeps for later back to the system; takes some milliseconds for
  /// each 100 MB.
  package static func returnFreeMemory() { clinux_return_free_memory() }
}
