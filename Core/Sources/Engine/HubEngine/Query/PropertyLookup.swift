internal import HubContract
internal import JSONTree
internal import QueryLanguage

/// How the index of twin properties narrows a query: what every row of the answer fulfils.
///
/// Each part lists fingerprints of which a row has at least one. The rows found so are a superset
/// of those that match.
struct PropertyLookup {
  /// Fingerprints that are looked up for one query at most; more cost more than they narrow.
  private static let fingerprintLimit = 16

  /// Not empty, and none of its parts is.
  private(set) var parts: [[PropertyFingerprint]] = []

  /// The fingerprints of all parts.
  var count: Int { parts.reduce(0) { $0 + $1.count } }

  /// Makes the look-up for a query, nil if nothing in it can be looked up.
  init?(_ query: TwinQuery) {
    let isModule = query.source == .modules
    for constraint in query.constraints {
      guard let (section, path) = constraint.property else { continue }
      let values: [JSONValue]
      switch constraint.test {
      case .compares(.equal, let value): values = [value]
      case .isAmong(let list): values = list
      case .compares, .isDefined: continue
      }
      let known = values.compactMap {
        PropertyFingerprint(isModule: isModule, section: section, path: path, value: $0)
      }
      let unlisted = PropertyFingerprint.unlisted(isModule: isModule, section: section)
      let part = Array(Set(known)) + [unlisted]
      guard known.count == values.count, count + part.count <= Self.fingerprintLimit else {
        continue
      }
      parts.append(part)
    }
    if parts.isEmpty { return nil }
  }
}

extension PathConstraint {
  /// The property of a twin that the path leads to, nil for other fields, metadata and elements of
  /// arrays.
  fileprivate var property: (section: TwinSectionName, path: [String])? {
    var names: [String] = []
    for step in path {
      guard case .member(let name) = step, !name.hasPrefix("$") else { return nil }
      names.append(name)
    }
    if names.first == "tags", names.count > 1 { return (.tags, Array(names.dropFirst())) }
    guard names.count > 2, names[0] == "properties" else { return nil }
    switch names[1] {
    case "desired": return (.desired, Array(names.dropFirst(2)))
    case "reported": return (.reported, Array(names.dropFirst(2)))
    default: return nil
    }
  }
}
