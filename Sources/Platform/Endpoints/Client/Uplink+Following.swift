package import HubContract
import MQTT

/// What the owner wants of an identity, and what the server gives of it on this connection.
struct Following {
  var wanted: UplinkTopics
  var granted: UplinkTopics = []
  /// Whether a SUBSCRIBE is under way.
  var isAsking = false
  /// Whether the server said no, or has ended it; then nobody asks again on this connection.
  var isRefused = false
}

/// Whom the edge hub is there for.
extension Uplink {
  /// SUBSCRIBE and UNSUBSCRIBE packets that may wait for their answers.
  private static let subscriptionLimit = 32

  /// Makes `identity` present on this connection for these topics, on each later one too; nothing of
  /// it is followed any more if there are none.
  ///
  /// What was refused or has ended is asked for again.
  package func follow(_ identity: IdentityKey, _ topics: UplinkTopics) {
    if topics.isEmpty, followings[identity] == nil { return }
    followings[identity, default: Following(wanted: topics)].wanted = topics
    followings[identity]?.isRefused = false
    settle(identity)
  }

  /// A connection stands: asks for all that is wanted.
  func followAll() {
    for identity in followings.keys.sorted() { settle(identity) }
  }

  /// The connection is gone, and with it all that was granted.
  func unfollowAll() {
    unsettled = []
    subscriptions = [:]
    for identity in Array(followings.keys) {
      guard let wanted = followings[identity]?.wanted, !wanted.isEmpty else {
        followings[identity] = nil
        continue
      }
      followings[identity] = Following(wanted: wanted)
    }
  }

  /// The server follows `identity` no longer.
  func unfollowed(_ identity: IdentityKey, _ reason: String) {
    guard followings[identity] != nil else { return }
    followings[identity]?.granted = []
    followings[identity]?.isRefused = true
    delegate?.uplinkUnfollowed(identity, reason: reason)
  }

  /// Brings what is granted to what is wanted, now or when others have been served.
  private func settle(_ identity: IdentityKey) {
    guard phase == .standing, let handler, let following = followings[identity] else { return }
    guard !following.isAsking else { return }
    guard subscriptions.count < Self.subscriptionLimit else {
      unsettled.append(identity)
      return
    }
    let isOwn = identity == settings.identity
    func filters(_ topics: UplinkTopics) -> [UplinkTopics] {
      UplinkTopics.each.filter {
        topics.contains($0) && ($0 != .cloudToDevice || identity.moduleID == nil)
      }
    }
    let surplus = filters(following.granted.subtracting(following.wanted))
    let missing = filters(following.wanted.subtracting(following.granted))
    func bytes(_ topics: [UplinkTopics]) -> [[UInt8]] {
      let prefix = isOwn ? [] : ChildTopics.prefix(of: identity)
      return topics.map { prefix + Array($0.filter.utf8) }
    }
    do throws(MQTTFault) {
      if !surplus.isEmpty {
        lastSubscription += 1
        guard try handler.unsubscribe(bytes(surplus), delivery: lastSubscription) else { return }
        subscriptions[lastSubscription] = (identity, [])
        followings[identity]?.granted.subtract(UplinkTopics(surplus))
      }
      if !missing.isEmpty, !following.isRefused {
        guard isOwn || isMultiplexing else {
          return unfollowed(identity, "not-supported")
        }
        lastSubscription += 1
        guard try handler.subscribe(bytes(missing), .atMostOnce, delivery: lastSubscription) else {
          return
        }
        subscriptions[lastSubscription] = (identity, missing)
        followings[identity]?.isAsking = true
      } else if following.wanted.isEmpty {
        followings[identity] = nil
      }
    } catch {
      unfollowed(identity, "unencodable")
    }
    handler.flushLater()
  }

  /// The server has answered a SUBSCRIBE or an UNSUBSCRIBE.
  func answered(_ delivery: UInt64, _ codes: [SubscribeReturnCode]) {
    guard let (identity, topics) = subscriptions.removeValue(forKey: delivery) else { return }
    if !topics.isEmpty {
      followings[identity]?.isAsking = false
      for (topic, code) in zip(topics, codes) where code.granted != nil {
        followings[identity]?.granted.insert(topic)
      }
      if codes.contains(.failure) {
        followings[identity]?.isRefused = true
        delegate?.uplinkUnfollowed(identity, reason: "refused")
      }
      settle(identity)
    }
    while subscriptions.count < Self.subscriptionLimit, let next = unsettled.popLast() {
      settle(next)
    }
  }
}
