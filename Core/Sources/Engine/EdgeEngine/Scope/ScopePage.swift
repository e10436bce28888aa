public import HubContract
public import JSONTree

/// A page of the identities below an edge (edge contract section 5.2).
public struct ScopePage: Sendable {
  /// The most identities that an edge takes over.
  public static let identityLimit = 100_000

  /// The entries that can be read.
  public let entries: [ScopeEntry]
  /// Entries that can't, with the reason: they are left out, not the page.
  public let faults: [HubError]
  /// Where the next page is, nil after the last.
  public let continuation: String?

  /// Reads an answer, `{"devices":[…],"modules":[…],"continuationLink":…}`.
  ///
  /// - Throws: What keeps it from being a page at all.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    var entries: [ScopeEntry] = []
    var faults: [HubError] = []
    let devices = json["devices"]?.arrayValue ?? []
    let modules = json["modules"]?.arrayValue ?? []
    guard json["devices"]?.arrayValue != nil || json["modules"]?.arrayValue != nil else {
      throw fields.invalid("devices", "is missing, and modules too: this is no page of a scope.")
    }
    for value in devices {
      do throws(HubError) {
        entries.append(try ScopeEntry(device: value))
      } catch {
        faults.append(error)
      }
    }
    for value in modules {
      do throws(HubError) {
        entries.append(try ScopeEntry(module: value))
      } catch {
        faults.append(error)
      }
    }
    self.entries = entries
    self.faults = faults
    continuation = try fields.string("continuationLink").flatMap { $0.isEmpty ? nil : $0 }
  }

  /// All of `entries` as one page: how they are kept on disk.
  public static func json(_ entries: some Sequence<ScopeEntry>) -> JSONValue {
    var (devices, modules): ([JSONValue], [JSONValue]) = ([], [])
    for entry in entries {
      switch entry {
      case .device: devices.append(entry.json)
      case .module: modules.append(entry.json)
      }
    }
    return ["devices": .array(devices), "modules": .array(modules)]
  }
}
