package import AMQP
import AMQPCodec
import Endpoints
import HubContract
import Platform
import Synchronization

// Who the client is, and what of its links that keeps alive (contract §2.1, §8.1).
extension AMQPPeer {
  func authenticate(_ begin: SASLInit) {
    guard begin.mechanism == "PLAIN" else { return connection.judged(isAccepted: true) }
    guard let plain = begin.plain else {
      authenticator.tell("user name and password cannot be read", of: nil)
      return connection.judged(isAccepted: false)
    }
    if let services, services.authenticate(userName: plain.userName, password: plain.password) {
      return
    }
    let authenticator = authenticator
    guard let reply else { return }
    // Answers the connection, which has a deadline of its own.
    Task {
      let grant = try? await authenticator.judge(
        userName: plain.userName,
        password: plain.password
      )
      reply { peer in
        if let grant { peer.keep(grant) }
        peer.connection.judged(isAccepted: grant != nil)
      }
    }
  }

  func keep(_ grant: AMQPGrant) {
    grants.removeAll { $0.resource == grant.resource && $0.isSameHolder(as: grant) }
    if grants.count >= Self.grantLimit { grants.removeFirst() }
    grants.append(grant)
    hasShownCredential()
  }

  /// Whether a grant of the connection allows what a link needs.
  package func allows(_ requirement: AMQPRequirement) -> Bool {
    grants.contains { $0.allows(requirement.address, needing: requirement.rights) }
  }

  func expireGrants() {
    let now = shared.backend.now
    let skew = shared.backend.skewSeconds
    let count = grants.count
    grants.removeAll { grant in grant.expiry.map { now > $0.adding(seconds: skew) } ?? false }
    if grants.count < count {
      detachUnauthorized()
      for device in Array(devices.values) where device.admitted.expiry != nil {
        let isCovered = grants.contains { $0.admits(device.admitted.prover) }
        if !isCovered { device.drop(.tokenExpired) }
      }
    }
    let epoch = shared.backend.policyEpoch
    guard epoch != policyEpoch else { return }
    policyEpoch = epoch
    let (judged, authenticator) = (grants, authenticator)
    guard !judged.isEmpty, let reply else { return }
    Task {
      let holds = await authenticator.stillHold(judged)
      reply { peer in
        let lost = zip(judged, holds).filter { !$0.1 }.map(\.0)
        guard !lost.isEmpty else { return }
        peer.grants.removeAll { grant in lost.contains { $0.isSameHolder(as: grant) } }
        peer.detachUnauthorized()
      }
    }
  }

  /// Answers a request to `$cbs`.
  func answerToken(_ request: NodeRequest) {
    let put: ClaimsBasedSecurity.PutToken
    do throws(RequestRefusal) {
      put = try ClaimsBasedSecurity.PutToken(request)
    } catch {
      return tokens.answer(request, with: error.answer, on: &connection)
    }
    let authenticator = authenticator
    guard let reply else { return }
    Task {
      let result: Result<AMQPGrant, RequestRefusal>
      do throws(RequestRefusal) {
        result = .success(try await authenticator.judge(put.token, audience: put.audience))
      } catch {
        result = .failure(error)
      }
      reply { peer in
        switch result {
        case .success(let grant):
          peer.keep(grant)
          let answer = NodeAnswer.make(202, "Accepted")
          peer.tokens.answer(request, with: answer, on: &peer.connection)
        case .failure(let refusal):
          peer.tokens.answer(request, with: refusal.answer, on: &peer.connection)
        }
      }
    }
  }

  func detachUnauthorized() {
    for (id, link) in links {
      guard let requirement = link.requirement, !allows(requirement) else { continue }
      connection.detach(id, Self.unauthorized)
    }
  }

  package static let unauthorized = AMQPError(
    AMQPError.unauthorizedAccess,
    "no valid token for this address; put one to $cbs first"
  )
}

extension AMQPGrant {
  /// Whether both were shown by the same policy's or identity's holder.
  func isSameHolder(as other: AMQPGrant) -> Bool {
    switch (holder, other.holder) {
    case (.policy(let mine, _), .policy(let theirs, _)): mine.name == theirs.name
    case (.identity(let mine, _, _), .identity(let theirs, _, _)): mine == theirs
    default: false
    }
  }
}
