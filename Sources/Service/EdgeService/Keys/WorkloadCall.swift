package import Endpoints
import HubContract

/// Which call of the workload API a request is (contract §4.4), by its method and path.
package enum WorkloadCall: Equatable, Sendable {
  /// Whom a call that names a module is about.
  package struct Subject: Equatable, Sendable {
    /// A valid ID of a module.
    package let moduleID: String
    /// Of any form: nothing is made of it, and it is compared with that of the module.
    package let generationID: String
  }

  case trustBundle
  case manifestTrustBundle
  case modules
  case identity
  case identityCertificate(moduleID: String)
  case serverCertificate(Subject)
  case sign(Subject)
  case encrypt(Subject)
  case decrypt(Subject)

  /// Why a request is no call.
  package enum Fault: Error, Equatable {
    /// There is no such method and path.
    case unknown
    /// What should be the ID of a module is none.
    case moduleID
  }

  /// Reads a request's method and path.
  package init(method: String, target: RequestTarget) throws(Fault) {
    let path = target.segments
    switch (method, path.count) {
    case ("GET", 1):
      switch path[0] {
      case "trust-bundle": self = .trustBundle
      case "manifest-trust-bundle": self = .manifestTrustBundle
      case "modules": self = .modules
      case "identity": self = .identity
      default: throw .unknown
      }
    case ("POST", 4)
    where path[0] == "modules" && path[2] == "certificate" && path[3] == "identity":
      self = .identityCertificate(moduleID: try Self.moduleID(path[1]))
    case ("POST", 5...6) where path[0] == "modules" && path[2] == "genid":
      let call = path[4...].joined(separator: "/")
      guard path.count == 5 || call == "certificate/server" else { throw .unknown }
      let subject = Subject(moduleID: try Self.moduleID(path[1]), generationID: path[3])
      switch call {
      case "sign": self = .sign(subject)
      case "encrypt": self = .encrypt(subject)
      case "decrypt": self = .decrypt(subject)
      case "certificate/server" where path.count == 6: self = .serverCertificate(subject)
      default: throw .unknown
      }
    default: throw .unknown
    }
  }

  private static func moduleID(_ segment: String) throws(Fault) -> String {
    guard ModuleID.isValid(segment) else { throw .moduleID }
    return segment
  }

  /// The module that it is about, nil for what concerns all.
  package var moduleID: String? {
    switch self {
    case .trustBundle, .manifestTrustBundle, .modules, .identity: nil
    case .identityCertificate(let moduleID): moduleID
    case .serverCertificate(let subject), .sign(let subject), .encrypt(let subject),
      .decrypt(let subject):
      subject.moduleID
    }
  }
}
