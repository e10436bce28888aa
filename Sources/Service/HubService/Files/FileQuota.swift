/// How much of `files.quota_bytes` is taken.
struct FileQuota {
  let limit: Int64
  /// What the files cost, those under way included.
  private(set) var cost: Int64
  private(set) var refusedCount = 0
  private var wasRefused = false

  /// A `limit` of 0 is none.
  init(limit: Int, cost: Int64) {
    self.limit = limit == 0 ? .max : Int64(limit)
    self.cost = cost
  }

  /// Takes `price`, if it fits; a refusal is news unless nothing was given back since the last one.
  mutating func take(_ price: Int64) -> (fits: Bool, isNews: Bool) {
    guard cost <= limit - price else {
      defer { wasRefused = true }
      refusedCount += 1
      return (false, !wasRefused)
    }
    cost += price
    return (true, false)
  }

  mutating func giveBack(_ price: Int64) {
    cost -= price
    wasRefused = false
  }
}
