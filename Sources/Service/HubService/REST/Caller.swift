import HubContract
import HubEngine

/// Who a request comes from.
enum Caller: Sendable {
  /// Nobody was asked.
  case anyone
  /// A holder of a policy's key.
  case policy(PolicyRecord)
  /// A holder of the admin token.
  case administrator
  /// A device or module.
  case identity(DeviceCaller)

  /// The caller for the log; holds nothing secret.
  var description: String {
    switch self {
    case .anyone: "-"
    case .administrator: "administrator"
    case .policy(let policy): "policy \(policy.name)"
    case .identity(let caller): "\(caller.identity)"
    }
  }
}

/// A device or module that authenticated itself for one request.
struct DeviceCaller: Sendable {
  /// Who it is.
  let identity: IdentityKey
  /// How it proved that.
  let method: ConnectionAuthMethod
  /// Its generation.
  let generationID: String?
}
