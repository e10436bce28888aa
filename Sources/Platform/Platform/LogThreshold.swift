package import Logging
import Synchronization

/// The level from which on loggers write; it may be changed while they do.
package final class LogThreshold: Sendable {
  private let index: Atomic<Int>

  package init(_ level: Logger.Level) { index = Atomic(Self.index(of: level)) }

  /// The level.
  package var level: Logger.Level {
    get {
      let index = index.load(ordering: .relaxed)
      return Logger.Level.allCases.indices.contains(index) ? Logger.Level.allCases[index] : .info
    }
    set { index.store(Self.index(of: newValue), ordering: .relaxed) }
  }

  private static func index(of level: Logger.Level) -> Int {
    Logger.Level.allCases.firstIndex(of: level) ?? 0
  }
}
