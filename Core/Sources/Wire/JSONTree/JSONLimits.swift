/// What a JSON text may cost the reader.
///
/// A text beyond a limit is refused with the fault that names the limit.
public struct JSONLimits: Equatable, Sendable {
  /// The most bytes of a text.
  public var maxBytes: Int
  /// The most arrays and objects around a value, in `0...512`.
  ///
  /// The parser, the writer, comparison and release all recurse, so the bound also guards the
  /// stack: what was set higher counts as 512.
  public var maxDepth: Int
  /// The most values in a text, containers and their members included.
  public var maxNodes: Int

  /// Creates limits; each has the default's value unless given.
  public init(maxBytes: Int = 4 << 20, maxDepth: Int = 64, maxNodes: Int = 1 << 20) {
    self.maxBytes = maxBytes
    self.maxDepth = maxDepth
    self.maxNodes = maxNodes
  }

  /// 4 MiB, 64 levels, 1 Mi values: above every body of the hub's contract (section 10).
  public static let `default` = JSONLimits()

  /// For reading back what was accepted under other limits, and then written inside of something
  /// larger: without it, a value nested as deep as may be could be kept and never read again.
  public static let stored = JSONLimits(maxBytes: .max, maxDepth: 512, maxNodes: .max)
}
