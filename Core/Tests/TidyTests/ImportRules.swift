/// Which target may import which: the rings of docs/ARCHITECTURE.md, written as a table.
///
/// The compiler checks that a target imports only what its manifest names. This table checks that
/// the manifest does not slowly grow into another design.
struct ImportRules {
  /// What one target may import of ours.
  var ours: [String: Set<String>]
  /// Modules of others that may not be imported by a target, by the longest matching folder.
  var forbiddenPrefixes: [(folder: String, prefixes: [String], reason: String)]

  private static let core: Set<String> = [
    "ByteIO", "JSONTree", "MQTT", "AMQPCodec", "COSE", "HubContract", "QueryLanguage", "MessageLog",
    "HubEngine", "ProvisioningEngine", "EdgeEngine", "UpdateEngine", "Attestation", "Simulation",
  ]
  private static let engines: Set<String> = core.subtracting(["Simulation"])

  /// The rules of this repository.
  static let orrery = ImportRules(
    ours: [
      "ByteIO": [],
      "JSONTree": ["ByteIO"],
      "MQTT": ["ByteIO"],
      "AMQPCodec": ["ByteIO"],
      "COSE": ["ByteIO"],
      "HubContract": ["ByteIO", "JSONTree"],
      "QueryLanguage": ["ByteIO", "JSONTree"],
      "MessageLog": ["ByteIO"],
      "Attestation": ["COSE", "ByteIO"],
      "HubEngine": ["ByteIO", "JSONTree", "HubContract", "QueryLanguage"],
      "ProvisioningEngine": ["ByteIO", "JSONTree", "HubContract", "HubEngine"],
      "EdgeEngine": ["ByteIO", "JSONTree", "HubContract", "QueryLanguage", "MessageLog"],
      "UpdateEngine": ["ByteIO", "JSONTree"],
      "Simulation": engines,
      "CLinux": [],
      "CProton": [],
      "AMQP": ["CProton", "AMQPCodec", "ByteIO"],
      "Platform": engines.union(["CLinux"]),
      "Endpoints": [
        "Platform", "CLinux", "MQTT", "HubContract", "MessageLog", "ByteIO", "JSONTree",
      ],
      "AMQPEndpoints": [
        "AMQP", "AMQPCodec", "Endpoints", "Platform", "HubContract", "MessageLog", "ByteIO",
      ],
      "Containers": ["Platform", "CLinux", "ByteIO", "JSONTree", "HubContract", "EdgeEngine"],
      "EdgeService": engines.subtracting(["HubEngine", "ProvisioningEngine"])
        .union(["Platform", "CLinux", "Endpoints", "AMQPEndpoints", "Containers"]),
      "HubService": engines.union(["Platform", "CLinux", "Endpoints", "AMQP", "AMQPEndpoints"]),
      "OrreryModule": [
        "Platform", "Endpoints", "ByteIO", "JSONTree", "MQTT", "HubContract", "EdgeEngine",
      ],
      "OperatorCommands": [
        "ByteIO", "JSONTree", "MQTT", "HubContract", "EdgeEngine", "Simulation", "Platform",
        "CLinux", "Endpoints", "Containers",
      ],
      "orrery-edge": [
        "ByteIO", "JSONTree", "HubContract", "EdgeEngine", "Platform", "CLinux", "Endpoints",
        "Containers", "EdgeService", "OperatorCommands",
      ],
      "orrery": core.union([
        "Platform", "CLinux", "Endpoints", "AMQP", "HubService", "OperatorCommands",
      ]),
    ],
    forbiddenPrefixes: [
      (
        "Core/Sources",
        ["Foundation", "NIO", "Glibc", "Musl", "Dispatch", "Synchronization"],
        "the Wire and Engine rings have no clock, file, socket or thread; pass it in"
      ),
      (
        "Sources/Platform/Platform", ["NIO", "Hummingbird", "GRDB"],
        "event loops and databases belong to Endpoints and the services"
      ),
      (
        "Sources/Platform/Endpoints", ["GRDB", "ArgumentParser"],
        "endpoints carry bytes; storage and commands belong to the rings above"
      ),
      (
        "Sources/Service", ["ArgumentParser"], "a service takes its configuration as a value"
      ),
    ]
  )

  /// Every import in the source folders that the table does not allow.
  func check(_ tree: SourceTree) -> [Finding] {
    let known = Set(ours.keys)
    var findings: [Finding] = []
    var unknown: Set<String> = []
    for file in tree.files where file.hasExtension("swift") {
      guard let target = Self.target(of: file.path) else { continue }
      guard let allowed = ours[target] else {
        if unknown.insert(target).inserted {
          findings.append(
            .init(path: file.path, line: 0, message: "target '\(target)' is not in ImportRules")
          )
        }
        continue
      }
      for (line, module) in Self.imports(of: file) {
        if module != target, known.contains(module), !allowed.contains(module) {
          findings.append(
            .init(path: file.path, line: line, message: "\(target) may not import \(module)")
          )
        }
        for rule in forbiddenPrefixes where file.isUnder(rule.folder) {
          guard rule.prefixes.contains(where: module.hasPrefix) else { continue }
          findings.append(
            .init(
              path: file.path,
              line: line,
              message: "\(target) may not import \(module): \(rule.reason)"
            )
          )
        }
      }
    }
    return findings
  }

  /// Name of the target a source file belongs to, by where it lies; nil outside source folders.
  static func target(of path: String) -> String? {
    let parts = path.split(separator: "/").map(String.init)
    let inner: ArraySlice<String>
    if parts.starts(with: ["Core", "Sources"]) {
      inner = parts.dropFirst(2)
    } else if parts.first == "Sources" {
      inner = parts.dropFirst()
    } else {
      return nil
    }
    guard let first = inner.first, inner.count > 1 else { return nil }
    let rings: Set<String> = ["Wire", "Engine", "Platform", "Module", "Service", "Command"]
    guard rings.contains(first) else { return first }
    let second = inner[inner.startIndex + 1]
    return inner.count > 2 ? second : first
  }

  /// The imports of a file: line and module, whatever attributes and access levels stand before.
  static func imports(of file: SourceFile) -> [(line: Int, module: String)] {
    var found: [(Int, String)] = []
    for (index, line) in SourceText(file.text).code.enumerated() {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == ";" }.map(String.init)
      guard let position = words.firstIndex(of: "import") else { continue }
      // Before `import` stand only attributes and access levels; after it perhaps a kind.
      let levels: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
      guard words[..<position].allSatisfy({ $0.hasPrefix("@") || levels.contains($0) }) else {
        continue
      }
      let kinds: Set<String> = [
        "struct", "class", "enum", "protocol", "typealias", "func", "let", "var",
      ]
      let rest = words[(position + 1)...].drop { kinds.contains($0) }
      guard let module = rest.first?.split(separator: ".").first else { continue }
      found.append((index + 1, String(module)))
    }
    return found
  }
}
