/// One page of a query's answer (contract §7.7).
public struct QueryPage: Equatable, Sendable {
  /// What the rows are, the value of `x-ms-item-type`.
  public enum ItemType: String, Sendable, CaseIterable {
    /// Whole twins.
    case twin = "Twin"
    /// Projections or aggregates.
    case raw = "Raw"
    /// The devices' parts of jobs.
    case deviceJob = "DeviceJob"
  }

  /// What the rows are.
  public var itemType: ItemType
  /// The rows, a JSON array.
  public var body: [UInt8]
  /// Rows in `body`; may be 0 although more follow, after a long search.
  public var count: Int
  /// The value of `x-ms-continuation`, nil at the end.
  public var continuation: String?

  /// Creates a page.
  public init(itemType: ItemType, body: [UInt8], count: Int, continuation: String?) {
    self.itemType = itemType
    self.body = body
    self.count = count
    self.continuation = continuation
  }
}
