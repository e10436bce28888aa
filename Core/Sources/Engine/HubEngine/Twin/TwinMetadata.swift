internal import HubContract
internal import JSONTree

/// Builds `$metadata`: when each property was last written (contract §7.5).
///
/// An object's entry holds its own `$lastUpdated` and one entry for each of its members; arrays and
/// scalars are leaves. Desired properties also have `$lastUpdatedVersion`.
struct TwinMetadata {
  private let stamp: JSONObject

  /// Prepares entries of a change at `now` that made `version` of the desired properties.
  init(now: Timestamp, desiredVersion version: UInt64?) {
    var stamp: JSONObject = ["$lastUpdated": .string(now.iso8601)]
    if let version { stamp["$lastUpdatedVersion"] = .int(Int64(clamping: version)) }
    self.stamp = stamp
  }

  /// The entries of a section or object that is new as a whole; null members have none.
  func entries(of object: JSONObject) -> JSONObject {
    var result = stamp
    for (key, value) in object {
      switch value {
      case .null: continue
      case .object(let inner): result[key] = .object(entries(of: inner))
      default: result[key] = .object(stamp)
      }
    }
    return result
  }

  /// Brings the entries of a section up to date with a patch to it.
  func merge(_ patch: JSONObject, into entries: inout JSONObject) {
    for (key, value) in stamp { entries[key] = value }
    for (key, value) in patch {
      switch value {
      case .null: entries[key] = nil
      case .object(let inner):
        if case .object(var existing)? = entries[key] {
          // Let go of the entry first, so that it is changed in place.
          entries[key] = .null
          merge(inner, into: &existing)
          entries[key] = .object(existing)
        } else {
          entries[key] = .object(self.entries(of: inner))
        }
      default: entries[key] = .object(stamp)
      }
    }
  }
}
