/// What the program's exit status says, for scripts.
///
/// Part of the interface: a number never changes its meaning.
package enum CommandStatus: Int32, Sendable, CaseIterable {
  /// Done.
  case success = 0
  /// Anything that no other status names.
  case failure = 1
  /// The command line or a setting is wrong; nothing was tried.
  case usage = 2
  /// The device, policy, enrollment, file or whatever else was named does not exist.
  case notFound = 3
  /// The hub does not accept the credential, or the credential lacks the right.
  case unauthorized = 4
  /// It exists already, or it changed since it was read.
  case conflict = 5
  /// The hub cannot be reached, or the device is not connected.
  case unreachable = 6
  /// No answer came in time.
  case timedOut = 7

  /// One line for the help text.
  package var meaning: String {
    switch self {
    case .success: "done"
    case .failure: "failed; the message says why"
    case .usage: "wrong command line or settings"
    case .notFound: "what was named does not exist"
    case .unauthorized: "the credential is not accepted or lacks the right"
    case .conflict: "exists already, or changed since it was read"
    case .unreachable: "the hub cannot be reached, or the device is not connected"
    case .timedOut: "no answer in time"
    }
  }

  /// The list of all of them, for the help text of the program.
  package static var help: String {
    "Exit status: "
      + allCases.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: "; ") + "."
  }
}
