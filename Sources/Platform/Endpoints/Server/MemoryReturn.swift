import Platform
import ServiceLifecycle

/// Gives the memory of a crowd of connections that left back to the system.
///
/// The C library keeps what was freed, for the next crowd: without this the process stays at its peak
/// for ever, and several crowds raise it. Measured: 3,000 half-open connections took the process from
/// 47 to 122 MB, where it stayed; a second crowd took it to 167 MB, and this back to 53.
package struct MemoryReturn: Service {
  /// Connections that make a crowd.
  private static let crowd = 1_000

  private let loops: DeviceLoops

  /// Watches the connections of `loops`.
  package init(loops: DeviceLoops) { self.loops = loops }

  package func run() async throws {
    let loops = loops
    await cancelWhenGracefulShutdown {
      var (peak, last) = (0, 0)
      while !Task.isCancelled {
        let count = loops.connectionCount
        peak = max(peak, count)
        // Once most have left and no more are leaving.
        if peak - count >= max(Self.crowd, peak / 2), count >= last {
          Machine.returnFreeMemory()
          peak = count
        }
        last = count
        try? await Pause.sleep(for: .seconds(1))
      }
    }
  }
}
