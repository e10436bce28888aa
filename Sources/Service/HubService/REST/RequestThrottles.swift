import HubContract
import HubEngine
import Platform
import Synchronization

/// The rates of REST requests, by class, shared by all connections (contract "Limits and quotas").
final class RequestThrottles: Sendable {
  private let throttles: Mutex<Throttles>

  /// Takes the rates out of the settings; 0 sets none.
  init(_ settings: [String: Int]) {
    var rates: [ThrottleClass: ThrottleRate] = [:]
    func set(_ throttled: ThrottleClass, _ name: String, perSeconds seconds: UInt32) {
      guard let count = settings[name], count > 0 else { return }
      let number = UInt32(clamping: count)
      // As many at once as one period holds: the average is what counts.
      rates[throttled] = ThrottleRate(number, perSeconds: seconds, burst: number)
    }
    set(.connections, "connects_per_second", perSeconds: 1)
    set(.registry, "registry_per_minute", perSeconds: 60)
    set(.twinReads, "twin_reads_per_second", perSeconds: 1)
    set(.twinUpdates, "twin_updates_per_second", perSeconds: 1)
    set(.queries, "queries_per_minute", perSeconds: 60)
    set(.directMethods, "methods_per_second", perSeconds: 1)
    set(.cloudToDeviceSends, "c2d_per_second", perSeconds: 1)
    set(.deviceToCloudSends, "d2c_per_second", perSeconds: 1)
    throttles = Mutex(Throttles(rates))
  }

  /// Whether one more of this class may pass now.
  func allows(_ throttled: ThrottleClass) -> Bool {
    throttles.withLock { throttles in
      do throws(ThrottleRefusal) {
        try throttles.admit(throttled, now: SystemClock.now())
        return true
      } catch {
        return false
      }
    }
  }

  /// Lets a request of this class pass.
  ///
  /// - Throws: 429001 with the time to wait.
  func admit(_ throttled: ThrottleClass) throws(RESTRefusal) {
    let refusal = throttles.withLock { throttles -> ThrottleRefusal? in
      do throws(ThrottleRefusal) {
        try throttles.admit(throttled, now: SystemClock.now())
        return nil
      } catch {
        return error
      }
    }
    if let refusal {
      throw RESTRefusal(refusal.error, retryAfterSeconds: refusal.retryAfterSeconds)
    }
  }
}
