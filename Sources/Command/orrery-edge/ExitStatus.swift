/// What the exit status tells the supervisor and the service manager (contract §4.1).
enum ExitStatus {
  /// The settings cannot be used: starting again does not help before they are mended.
  static let settings: Int32 = 153
  /// The device has become another one: everything starts again at once.
  static let reprovisioned: Int32 = 154
}
