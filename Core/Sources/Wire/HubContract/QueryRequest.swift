public import JSONTree

/// The wish of `POST /devices/query` (contract §7.7).
public struct QueryRequest: Equatable, Sendable {
  /// The query's text.
  public var query: String
  /// Rows of a page.
  public var pageSize: Int

  /// Reads body and header `x-ms-max-item-count`.
  ///
  /// - Throws: 400012 or 400005 for the body's shape, 400004 for a text above the limit and for a page
  ///   size that is no positive number.
  public init(
    json: JSONValue,
    maxItemCount: String?,
    quotas: Quotas = Quotas()
  ) throws(HubError) {
    let fields = try BodyFields(json)
    query = try fields.requiredString("query")
    guard query.unicodeScalars.count <= quotas.queryCharacters else {
      throw fields.invalid("query", "is longer than \(quotas.queryCharacters) characters.")
    }
    pageSize = try Self.pageSize(maxItemCount, quotas: quotas)
  }

  /// Rows of a page by the header `x-ms-max-item-count`; a wish above the maximum is cut to it.
  ///
  /// - Throws: 400004 if it is no positive number.
  public static func pageSize(
    _ header: String?,
    quotas: Quotas = Quotas()
  ) throws(HubError) -> Int {
    guard let header, !header.isEmpty else { return quotas.queryPageDefault }
    guard header.utf8.count <= 18, header.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let count = Int(header), count > 0
    else {
      throw HubError(
        .argumentInvalid,
        "The header x-ms-max-item-count must be a number from 1 to \(quotas.queryPageMaximum)."
      )
    }
    return min(count, quotas.queryPageMaximum)
  }

  /// Identities of a list by the query parameter `top`; what is not 1 to 1000 means 1000 (contract §7.3).
  public static func listSize(top: String?, quotas: Quotas = Quotas()) -> Int {
    guard let top, let count = Int(top), (1...quotas.listPage).contains(count) else {
      return quotas.listPage
    }
    return count
  }
}
