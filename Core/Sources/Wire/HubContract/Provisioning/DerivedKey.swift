/// The key of one device in a group: HMAC-SHA256 of the registration ID under the group's key
/// (contract §6.5).
public enum DerivedKey {
  /// The key of `registrationID`, as the device wrote it.
  public static func of(
    _ registrationID: String,
    groupKey: SymmetricKey,
    hmacSHA256: HMACSHA256
  ) -> SymmetricKey? {
    SymmetricKey(bytes: hmacSHA256(groupKey.bytes, [UInt8](registrationID.utf8)))
  }
}
