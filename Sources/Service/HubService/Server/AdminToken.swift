import ByteIO
import Platform

/// The secret that operators present for administration, kept in the data directory.
enum AdminToken {
  /// Fewer characters are no token: something else has been written into the file.
  private static let leastCharacters = 32

  /// The token in `directory`, made at the first start.
  ///
  /// - Throws: `SettingsFault` or `FileFault`, with the file that cannot be used.
  static func read(in directory: String) throws -> String {
    let path = directory + "/admin.token"
    let kept: [UInt8]
    do throws(FileFault) {
      kept = try PrivateFile.read(path)
    } catch {
      guard error.isMissing else { throw error }
      let token = Hex.encode(Entropy.bytes(32))
      try PrivateFile.replace(path, with: Array(token.utf8))
      return token
    }
    let token = kept.filter { $0 > 0x20 && $0 < 0x7F }
    guard token.count >= leastCharacters else {
      throw SettingsFault(
        "\(path) holds no token: it has \(token.count) characters, not \(leastCharacters) or more",
        remedy: "Remove it: the next start makes a new one. Who uses the old one must be told."
      )
    }
    return String(decoding: token, as: UTF8.self)
  }
}
