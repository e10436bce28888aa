/// Comparison of secrets whose time depends on their length alone.
public enum ConstantTime {
  /// Whether the two are equal.
  ///
  /// A difference in length is found at once: lengths are not secret.
  public static func equals(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    guard first.count == second.count else { return false }
    var difference: UInt8 = 0
    for index in first.indices { difference |= first[index] ^ second[index] }
    return difference == 0
  }
}
