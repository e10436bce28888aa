import Endpoints
import ByteIO
import HubContract
import HubEngine
import Platform

/// The rows that configurations' metrics have, counted when somebody asks and kept for a while.
///
/// To count means to look at all devices, so a count is kept for longer the longer it took, and for
/// 60 s at most (contract "Configurations").
actor ConfigurationMetricsCache {
  /// A count is kept for that many times what it took.
  private static let share: UInt64 = 20
  private static let maximumAge: UInt64 = 60_000_000_000
  /// Time after which a list counts no more, and shows what is known.
  private static let listTime: UInt64 = 2_000_000_000

  private struct Entry {
    let etag: String
    let createdTime: Timestamp
    let metrics: ConfigurationMetrics
    let countedAt: UInt64
    let age: UInt64
  }

  private var entries: [String: Entry] = [:]
  private let store: HubStore
  private let directory: DeviceDirectory

  init(store: HubStore, directory: DeviceDirectory) {
    self.store = store
    self.directory = directory
  }

  /// The metrics of one configuration.
  func metrics(
    of configuration: Configuration
  ) async throws(HubError) -> ConfigurationMetrics {
    let start = SystemClock.now().nanoseconds
    if let known = entry(configuration), start &- known.countedAt < known.age {
      return known.metrics
    }
    let directory = directory
    let metrics = try await store.read { view throws(HubError) in
      try view.metrics(of: configuration, facts: { directory.facts(of: $0) })
    }
    let end = SystemClock.now().nanoseconds
    entries[configuration.id] = Entry(
      etag: configuration.etag,
      createdTime: configuration.createdTime,
      metrics: metrics,
      countedAt: end,
      age: min((end &- start) &* Self.share, Self.maximumAge)
    )
    return metrics
  }

  /// The metrics of all configurations of a list, in its order; without results for those that could
  /// not be counted in time and never were.
  func metrics(
    of list: [Configuration]
  ) async throws(HubError) -> [ConfigurationMetrics] {
    let start = SystemClock.now().nanoseconds
    // Those that are gone are forgotten here, as everything else asks by name.
    let ids = Set(list.map(\.id))
    entries = entries.filter { ids.contains($0.key) }
    var all: [ConfigurationMetrics] = []
    for configuration in list {
      if SystemClock.now().nanoseconds &- start < Self.listTime {
        all.append(try await metrics(of: configuration))
      } else {
        all.append(entry(configuration)?.metrics ?? ConfigurationMetrics())
      }
    }
    return all
  }

  private func entry(_ configuration: Configuration) -> Entry? {
    guard let entry = entries[configuration.id], entry.etag == configuration.etag,
      entry.createdTime == configuration.createdTime
    else { return nil }
    return entry
  }
}
