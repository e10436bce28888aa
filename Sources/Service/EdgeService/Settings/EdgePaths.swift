import Endpoints

/// Where the edge keeps its data and has its sockets.
///
/// A module is given a *directory*, not a socket: a socket that is made anew after a restart would not
/// be seen behind a bind mount of the old one. The directory is for everybody to enter, since a
/// module may run as any user; the directory around it is for the role alone that gives it to the
/// module.
package struct EdgePaths: Equatable, Sendable {
  /// Where data is kept unless told otherwise.
  package static let standardData = "/var/lib/orrery-edge"
  /// Where sockets are unless told otherwise.
  package static let standardRun = "/run/orrery-edge"
  /// The settings file unless told otherwise.
  package static let standardSettings = "/etc/orrery/edge.toml"

  /// The data directory, 0700 or of one role a directory.
  package let data: String
  /// The directory of the sockets.
  package let run: String

  package init(data: String = standardData, run: String = standardRun) {
    self.data = data
    self.run = run
  }

  /// The variables that the deployment sets for the local hub, kept by the supervisor.
  package var hubVariables: String { data + "/hub-variables.json" }

  /// Data of a role: its own, mode 0700.
  package func data(of role: EdgeRole) -> String { "\(data)/\(role.rawValue)" }

  /// Sockets of a role: those that it serves, but for the workload sockets.
  package func run(of role: EdgeRole) -> String { "\(run)/\(role.rawValue)" }

  /// The identity part of the management API, served by the keys process.
  package var identitySocket: String { run(of: .keys) + "/identity.sock" }
  /// The management API, served by the agent, which passes identity calls on.
  package var managementSocket: String { run(of: .agent) + "/management.sock" }

  /// The device's certificate that an EST server issued, and its key, in one PEM file.
  package var issuedIdentity: String { data(of: .keys) + "/identity.pem" }
  /// The edge CA that an EST server issued, and its key, in one PEM file.
  package var issuedAuthority: String { data(of: .keys) + "/edge-ca.pem" }

  /// Where the supervisor takes orders; for its own user alone.
  package var supervisorSocket: String { run + "/supervisor.sock" }
  /// The level that all processes log from on, in place of that of the settings, while the supervisor
  /// runs.
  package var logLevel: String { run + "/log-level" }

  /// Where the supervisor writes what each process is told of the settings, and nothing else.
  package var settings: String { run + "/settings" }

  /// What a process is told of the settings; it can read it, and nobody else but root.
  package func settings(of role: EdgeRole) -> String { "\(settings)/\(role.rawValue).toml" }

  /// Where all workload sockets are, and nothing else.
  package var workload: String { run + "/workload" }

  /// The name of the socket in the directory that the module is given.
  package static let socketName = "workload.sock"

  /// The bytes that a socket's path may have (unix(7)), without the end mark.
  package static let socketPathLimit = SocketAddressURI.pathLimit
  /// The longest run directory with which every module's socket has a path that is not too long.
  package static let runLimit =
    socketPathLimit - "/workload/".utf8.count - nameLimit - "/s/".utf8.count - socketName.utf8.count

  /// The most bytes of a module's ID that a directory is named by.
  static let nameLimit = 40
}
