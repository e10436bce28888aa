package import HubContract
import JSONTree

/// Reads the hub's refusals, in any of their three shapes (contract §7.2).
package enum HubRefusal {
  /// What a refusal means for the program that asked.
  ///
  /// `subject` is what was asked for, such as `device 'pump-1'`; `identity` is whose it was, nil for
  /// nobody's.
  package static func failure(
    _ response: HubResponse,
    subject: String,
    identity: IdentityKey? = nil
  ) -> CommandFailure {
    let (code, message) = read(response)
    let status = status(of: code, response.status)
    let reason = message.isEmpty ? "the hub answered status \(response.status)" : message
    return CommandFailure(
      status,
      "\(subject): \(reason)" + (code.map { " (\($0.rawValue) \($0.name))" } ?? ""),
      remedy: remedy(for: code, status, identity)
    )
  }

  /// Code and text of a refusal.
  static func read(_ response: HubResponse) -> (code: HubErrorCode?, message: String) {
    var named = response.header(HubErrorCode.headerName).flatMap(code(named:))
    guard let body = try? JSON.parse(response.body) else { return (named, "") }
    if let text = body["Message"]?.stringValue {
      if let inner = try? JSON.parse(text), inner.objectValue != nil {
        return coded(inner, named)
      }
      let parts = text.split(separator: ";", maxSplits: 1)
      if let first = parts.first, first.hasPrefix("ErrorCode:") {
        named = named ?? code(named: String(first.dropFirst("ErrorCode:".count)))
        return (named, parts.count > 1 ? String(parts[1]).withoutFullStop : "")
      }
      return (named, text.withoutFullStop)
    }
    return coded(body, named)
  }

  private static func coded(
    _ body: JSONValue,
    _ named: HubErrorCode?
  ) -> (code: HubErrorCode?, message: String) {
    let number = body["errorCode"]?.int64Value.flatMap { Int(exactly: $0) }
    let message = body["message"]?.stringValue ?? ""
    return (number.map { HubErrorCode(rawValue: $0) } ?? named, message.withoutFullStop)
  }

  private static func code(named name: String) -> HubErrorCode? {
    // The provisioning service has a code of the same name as one of the registry's, which comes
    // after it; what has names alone is the registry's answer.
    HubErrorCode.all.last { $0.name == name }
  }

  private static func status(of code: HubErrorCode?, _ http: Int) -> CommandStatus {
    if code == .deviceNotOnline { return .unreachable }
    // Policies and authorities have no number of their own for "there is none".
    switch http {
    case 401: return .unauthorized
    case 403: return code == .deviceDisabled ? .unauthorized : .failure
    case 404: return .notFound
    case 409, 412: return .conflict
    case 408, 504: return .timedOut
    case 502, 503: return .unreachable
    default: return .failure
    }
  }

  private static func remedy(
    for code: HubErrorCode?,
    _ status: CommandStatus,
    _ identity: IdentityKey?
  ) -> String? {
    switch code {
    case .iotHubUnauthorizedAccess:
      return "Use a policy that has what is missing; 'orrery policy list' shows them."
    case .iotHubUnauthorized:
      return "Is it the key of that policy, and do the clocks of both machines agree?"
    case .deviceNotOnline:
      return "Is it connected, and does it take direct methods? Try --connect-timeout 30s."
    case .gatewayTimeout: return "Give it longer with --response-timeout, at most 300s."
    case .deviceNotFound, .moduleNotFound:
      // Asked for a module's twin, the hub says of a missing module that there is no such device.
      guard let identity, identity.moduleID != nil else {
        return "'orrery device list' shows the devices there are."
      }
      return "'orrery module list \(identity.deviceID)' shows the modules of that device."
    case .enrollmentNotFound: return "'orrery enrollment list' shows those that there are."
    case .enrollmentGroupNotFound:
      return "'orrery enrollment-group list' shows those that there are."
    case .enrollmentConflict:
      return "What exists already is changed with 'orrery enrollment update'."
    case .enrollmentGroupConflict: return "Change it with 'orrery enrollment-group update'."
    case .preconditionFailed, .provisioningPrecondition:
      return "Somebody changed it. Look at it again, then repeat this."
    case .deviceAlreadyExists: return "Change it with 'orrery device update'."
    case .moduleAlreadyExistsOnDevice: return "Change it with 'orrery module update'."
    case .deviceMaximumQueueDepthExceeded:
      return "Wait until the device has taken some, or empty its queue: 'orrery c2d purge DEVICE'."
    case .jobNotFound: return "'orrery job list' shows the jobs there are."
    case .configurationNotFound: return "'orrery configuration list' shows those there are."
    case .throttlingException: return "Wait a moment and repeat it."
    default: return status == .unauthorized ? "Check the connection string." : nil
    }
  }
}

extension String {
  /// Without the full stop at the end, so that a sentence can go on.
  var withoutFullStop: String { hasSuffix(".") ? String(dropLast()) : self }
}
