import ByteIO
import EdgeEngine
import Logging
import Platform
import Synchronization

/// The bytes that may leave upstream, kept over restarts.
///
/// Confined to the uplink's event loop, but for what metrics read. Its time is the age of the store, which
/// goes on over restarts as far as the system's clock can be believed.
final class UpstreamBudget: Sendable {
  private struct State {
    var budget: SendBudget
    var kept: (balances: [Int64], age: UInt64)
    /// When the log said last that messages wait for it.
    var toldAt: UInt64?
    var byteCount: UInt64 = 0
  }

  /// Milliseconds between two writes of what is left.
  private static let keepMilliseconds: UInt64 = 5_000
  /// Milliseconds between two lines in the log: a small budget is used up all day.
  private static let tellMilliseconds: UInt64 = 3_600_000

  private let state: Mutex<State>
  private let settings: UpstreamBudgetSettings
  private let path: String
  private let logger: Logger

  /// Goes on with what is kept at `path`.
  init(_ settings: UpstreamBudgetSettings, path: String, age: UInt64, logger: Logger) throws {
    self.settings = settings
    self.path = path
    self.logger = logger
    let kept = (try? PrivateFile.read(path, limit: 4_096)).flatMap { Self.parse($0) }
    var budget = try settings.budget(now: Self.instant(min(kept?.age ?? age, age)))
    if let kept { budget.restore(kept.balances) }
    state = Mutex(State(budget: budget, kept: (budget.balances, age)))
  }

  /// Bytes of a class that may be sent now, 0 if it has to wait; one message may have more.
  func allowance(_ priority: PriorityClass, age: UInt64) -> Int {
    state.withLock {
      $0.budget.allowance(priority: priority.priority, now: Self.instant(age))
    }
  }

  /// So many bytes of a class were sent.
  func sent(_ byteCount: Int, _ priority: PriorityClass, age: UInt64) {
    state.withLock { state in
      _ = state.budget.take(byteCount, priority: priority.priority, now: Self.instant(age))
      state.byteCount &+= UInt64(clamping: byteCount)
    }
    keep(age: age, isLast: false)
  }

  /// How long the first of the classes in which something waits has to wait, in milliseconds; nil if one
  /// need not.
  func wait(of waiting: [PriorityClass], age: UInt64) -> UInt64? {
    let now = Self.instant(age)
    let (wait, isNews) = state.withLock { state -> (UInt64?, Bool) in
      let chances = waiting.map {
        state.budget.nextChance(priority: $0.priority, now: now).nanoseconds
      }
      guard let first = chances.min(), first > now.nanoseconds else { return (nil, false) }
      let isNews = state.toldAt.map { age >= $0 + Self.tellMilliseconds } ?? true
      if isNews { state.toldAt = age }
      return ((first - now.nanoseconds) / 1_000_000 + 1, isNews)
    }
    if let wait, isNews {
      logger.notice(
        "messages wait for the budget upstream",
        metadata: ["seconds": "\(wait / 1_000)", "bytesPerDay": "\(settings.bytesPerDay)"]
      )
    }
    return wait
  }

  /// Keeps what is left, when it is time or `isLast`.
  func keep(age: UInt64, isLast: Bool) {
    let bytes = state.withLock { state -> [UInt8]? in
      let balances = state.budget.balances
      guard isLast || age >= state.kept.age + Self.keepMilliseconds,
        balances != state.kept.balances
      else { return nil }
      state.kept = (balances, age)
      return Array("\(age) \(balances.map(String.init).joined(separator: " "))".utf8)
    }
    guard let bytes else { return }
    do {
      try PrivateFile.replace(path, with: bytes)
    } catch {
      logger.warning("what is left of the budget is not kept", metadata: ["error": "\(error)"])
    }
  }

  private static func parse(_ bytes: [UInt8]) -> (age: UInt64, balances: [Int64])? {
    let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    guard let age = words.first.flatMap({ UInt64($0) }) else { return nil }
    let balances = words.dropFirst().compactMap { Int64($0) }
    return balances.count == words.count - 1 ? (age, balances) : nil
  }

  private static func instant(_ age: UInt64) -> Instant {
    Instant(nanoseconds: 0).adding(milliseconds: age)
  }

  /// What metrics show.
  func samples(_ common: [(String, String)]) -> [PrometheusMetrics.Sample] {
    let (balances, byteCount) = state.withLock { ($0.budget.balances, $0.byteCount) }
    let left = zip(settings.shares, balances).map { share, balance in
      PrometheusMetrics.Sample(
        "orrery_edge_uplink_budget_bytes",
        .gauge,
        "Bytes that may leave now; below zero they are owed.",
        labels: common + [("up_to_priority", "\(share.lastPriority)")],
        value: Double(balance)
      )
    }
    return left + [
      PrometheusMetrics.Sample(
        "orrery_edge_uplink_sent_bytes_total",
        .counter,
        "Bytes of messages that left, as the budget counts them.",
        labels: common,
        value: Double(byteCount)
      )
    ]
  }
}
