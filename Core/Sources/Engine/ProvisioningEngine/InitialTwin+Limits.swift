public import HubContract
public import HubEngine

extension InitialTwin {
  /// The twin as an update of one that is empty.
  public var update: TwinUpdate { TwinUpdate(tags: .set(tags), desired: .set(desired)) }

  /// What a hub would refuse of it, with its place; nil for nothing.
  func fault(_ quotas: Quotas) -> String? {
    do throws(HubError) {
      try update.check(quotas)
      return nil
    } catch {
      return "initialTwin.\(error.message)"
    }
  }
}
