/// What a blob service signature allows.
public struct BlobPermissions: OptionSet, Hashable, Sendable {
  /// One bit for each permission.
  public let rawValue: UInt8

  /// Creates a set of its bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Read content and properties.
  public static let read = BlobPermissions(rawValue: 1)
  /// Append to an append blob.
  public static let add = BlobPermissions(rawValue: 2)
  /// Make a blob that does not exist.
  public static let create = BlobPermissions(rawValue: 4)
  /// Make or replace a blob.
  public static let write = BlobPermissions(rawValue: 8)
  /// Delete a blob.
  public static let delete = BlobPermissions(rawValue: 16)
  /// List the blobs of a container.
  public static let list = BlobPermissions(rawValue: 32)

  private static let letters: [(letter: Character, permission: BlobPermissions)] = [
    ("r", .read), ("a", .add), ("c", .create), ("w", .write), ("d", .delete), ("l", .list),
  ]

  /// Reads the letters of a token; letters of permissions that do not exist here allow nothing.
  public init(letters text: String) {
    self = Self.letters.reduce(into: []) {
      if text.contains($1.letter) { $0.insert($1.permission) }
    }
  }

  /// The letters, in the order that the service asks for.
  public var letters: String {
    String(Self.letters.filter { contains($0.permission) }.map(\.letter))
  }
}
