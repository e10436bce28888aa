/// The conditions of a request on the blob that it is for.
public struct BlobConditions: Equatable, Sendable {
  /// What `If-Match` asks for.
  public var ifMatch: ETagCondition
  /// What `If-None-Match` forbids.
  public var ifNoneMatch: ETagCondition

  /// Reads the two headers' values, nil where there is none.
  public init(ifMatch: String? = nil, ifNoneMatch: String? = nil) {
    self.ifMatch = ETagCondition(ifMatch: ifMatch)
    self.ifNoneMatch = ETagCondition(ifMatch: ifNoneMatch)
  }

  /// Refuses what is not meant for a blob whose ETag is `current`, nil if there is none.
  public func check(_ current: String?) throws(BlobRefusal) {
    if ifMatch != .absent {
      guard let current, ifMatch.allows(current) else { throw .condition }
    }
    guard let current else { return }
    switch ifNoneMatch {
    case .absent: return
    case .any: throw .alreadyExists
    case .exactly(let etag):
      if etag == current { throw .condition }
    }
  }
}
