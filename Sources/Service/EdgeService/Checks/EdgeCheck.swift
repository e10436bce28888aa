import JSONTree
import Platform

/// One thing that may be wrong with an edge, and how to find out (edge contract section 4.8).
///
/// A check reads and asks, and changes nothing; it sees the machine through `CheckPorts` alone.
package struct EdgeCheck: Sendable {
  /// What a check is about.
  package enum Group: String, Sendable, CaseIterable {
    case configuration = "Configuration"
    case certificates = "Certificates"
    case services = "Services"
    case connectivity = "Connectivity"
  }

  package let id: String
  package let group: Group
  /// What is looked at, for people.
  package let title: String
  let judge: @Sendable (CheckSubject) async throws -> CheckOutcome

  init(
    _ id: String,
    _ group: Group,
    _ title: String,
    _ judge: @escaping @Sendable (CheckSubject) async throws -> CheckOutcome
  ) {
    (self.id, self.group, self.title, self.judge) = (id, group, title, judge)
  }

  /// All checks, in the order in which they are told.
  package static let all =
    configuration + engine + certificates + services + connectivity
}

/// What a check has found.
///
/// It may be thrown, which ends the check with it.
package enum CheckOutcome: Error, Equatable, Sendable {
  /// As it should be; what was seen, if that is worth telling.
  case ok(String? = nil)
  /// It works, and will not always.
  case warning(String, remedy: String)
  /// It does not work.
  case error(String, remedy: String)
  /// It was not looked at, and why.
  case skipped(String)

  /// The word for it.
  package var word: String {
    switch self {
    case .ok: "ok"
    case .warning: "warning"
    case .error: "error"
    case .skipped: "skipped"
    }
  }

  /// What was found, nil for nothing to tell.
  package var detail: String? {
    switch self {
    case .ok(let text): text
    case .warning(let text, _), .error(let text, _), .skipped(let text): text
    }
  }

  /// What a person can do about it.
  package var remedy: String? {
    switch self {
    case .ok, .skipped: nil
    case .warning(_, let remedy), .error(_, let remedy): remedy
    }
  }
}

/// What the person wants the checks to know.
package struct CheckOptions: Equatable, Sendable {
  /// The hub above, where neither settings nor the keys process know it.
  package var hubHostName: String?
  /// The proxy, in place of the environment's.
  package var proxyURI: String?
  package var ntpServer = "pool.ntp.org:123"
  /// An image that can be started to look at the network from within a container.
  package var diagnosticsImage: String?
  /// The engine's own settings.
  package var engineSettings = "/etc/docker/daemon.json"
  /// Expected versions by the check that compares them.
  package var expectedVersions: [String: String] = [:]
  /// Checks that are left out.
  package var skipped: Set<String> = []
  /// Whether warnings count as errors.
  package var warningsAreErrors = false

  package init() {}
}

/// What all checks of one run look at.
package struct CheckSubject: Sendable {
  let readSettings: Result<EdgeSettings, SettingsFault>
  let paths: EdgePaths
  let options: CheckOptions
  let ports: any CheckPorts

  /// The settings; without any a check has nothing to look at.
  var settings: EdgeSettings {
    get throws {
      do {
        return try readSettings.get()
      } catch {
        throw CheckOutcome.skipped("the settings cannot be used; see config-well-formed")
      }
    }
  }
}

/// What one check has found.
package struct CheckReport: Sendable {
  package let check: EdgeCheck
  package let outcome: CheckOutcome

  /// The member that tools find under the check's ID.
  var json: JSONValue {
    var object: JSONObject = [
      "result": .string(outcome.word), "description": .string(check.title),
      "group": .string(check.group.rawValue),
    ]
    if let detail = outcome.detail { object["details"] = [.string(detail)] }
    if let remedy = outcome.remedy { object["remedy"] = .string(remedy) }
    return .object(object)
  }
}
