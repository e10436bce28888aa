import AMQP
import AMQPCodec
import HubContract
import HubEngine

// The nodes that answer requests: `$cbs` and `$management`.
extension AMQPPeer {
  func asked(_ delivery: AMQPDelivery, isManagement: Bool) {
    if isManagement {
      guard let request = management.delivered(delivery, on: &connection) else { return }
      answerManagement(request)
    } else {
      guard let request = tokens.delivered(delivery, on: &connection) else { return }
      answerToken(request)
    }
  }

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

  func answerManagement(_ request: NodeRequest) {
    let asked: EventManagement.Request
    do throws(RequestRefusal) {
      asked = try EventManagement.Request(request)
    } catch {
      return management.answer(request, with: error.answer, on: &connection)
    }
    let requirement = AMQPRequirement(
      address: .stream(entity: asked.entity, partition: nil),
      rights: .serviceConnect
    )
    if allows(requirement) {
      return management.answer(request, with: shared.events.answer(asked), on: &connection)
    }
    guard let token = asked.token else {
      authenticator.tell("no token for this event stream", of: grants.first?.client)
      let refusal = RequestRefusal(401, "no valid token for this event stream")
      return management.answer(request, with: refusal.answer, on: &connection)
    }
    let (authenticator, events) = (authenticator, shared.events)
    guard let reply else { return }
    Task {
      var answer = RequestRefusal(401, "no valid token for this event stream").answer
      if let grant = try? await authenticator.judge(token, audience: nil) {
        if grant.allows(requirement.address, needing: requirement.rights) {
          answer = events.answer(asked)
        } else {
          authenticator.tell("no token for this event stream", of: grant.client)
        }
      }
      let made = answer
      reply { peer in
        peer.management.answer(request, with: made, on: &peer.connection)
      }
    }
  }
}
