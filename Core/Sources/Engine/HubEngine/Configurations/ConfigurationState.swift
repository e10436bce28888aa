public import HubContract
internal import JSONTree

/// What configurations have done to one twin.
///
/// A deployment's base and layers are in the states of the modules whose twins they write, and
/// without paths in that of the edge device, whose twin shows them.
public struct ConfigurationState: Equatable, Sendable {
  /// How a configuration stands to the twin.
  public enum Status: String, Sendable, CaseIterable {
    /// It is for this twin, but others come before it or it does not fit.
    case targeted = "Targeted"
    /// It is for this twin, and what it sets is there.
    case applied = "Applied"
    /// It is not for this twin any more, but what it has set could not be removed yet.
    case leaving = "Leaving"
  }

  /// One configuration.
  public struct Entry: Equatable, Sendable {
    /// Its ID.
    public var configurationID: String
    /// When it was created: another one of the same ID is another one.
    public var createdTime: Timestamp
    /// Its ETag's counter when it was last applied or looked at.
    public var revision: UInt64
    /// How it stands to the twin.
    public var status: Status
    /// The paths in the desired properties that it has set.
    public var paths: [[String]]
  }

  /// The configurations, those that win last.
  public var entries: [Entry]

  /// Creates a state.
  public init(entries: [Entry] = []) { self.entries = entries }

  /// The twin's member `configurations`: compact JSON, nil if there is nothing to show.
  public var text: [UInt8]? {
    var object = JSONObject()
    for entry in entries where entry.status != .leaving {
      object[entry.configurationID] = ["status": .string(entry.status.rawValue)]
    }
    return object.isEmpty ? nil : JSON.bytes(.object(object))
  }

  /// The text to keep it as: compact JSON.
  public var document: [UInt8] {
    JSON.bytes(
      .array(
        entries.map { entry in
          [
            "id": .string(entry.configurationID),
            "created": .string(entry.createdTime.iso8601),
            "revision": .string(String(entry.revision)),
            "status": .string(entry.status.rawValue),
            "paths": .array(entry.paths.map { .array($0.map { .string($0) }) }),
          ]
        }
      )
    )
  }

  /// Reads what `document` wrote; nil if it is something else.
  public init?(document: [UInt8]) {
    guard let elements = (try? JSON.parse(document, limits: .stored))?.arrayValue else {
      return nil
    }
    entries = []
    for element in elements {
      guard let id = element["id"]?.stringValue,
        let created = element["created"]?.stringValue.flatMap({ Timestamp(iso8601: $0) }),
        let revision = element["revision"]?.stringValue.flatMap({ UInt64($0) }),
        let status = element["status"]?.stringValue.flatMap(Status.init),
        let paths = element["paths"]?.arrayValue
      else { return nil }
      entries.append(
        Entry(
          configurationID: id,
          createdTime: created,
          revision: revision,
          status: status,
          paths: paths.map { ($0.arrayValue ?? []).compactMap(\.stringValue) }
        )
      )
    }
  }
}
