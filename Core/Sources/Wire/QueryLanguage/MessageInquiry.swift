import JSONTree

/// What conditions have asked of one message so far: its body and twin are asked for once.
struct MessageInquiry {
  /// A question that is asked once.
  private enum Asked {
    case notYet
    case answer(JSONValue?)

    var value: JSONValue? { if case .answer(let value) = self { value } else { nil } }
  }

  let isEdge: Bool
  private var body = Asked.notYet
  private var twin = Asked.notYet

  init(_ dialect: Dialect) { isEdge = dialect.isEdge }

  /// Forgets the message.
  mutating func restart() {
    // Most messages are asked for neither: then there is nothing to let go.
    if case .answer = body { body = .notYet }
    if case .answer = twin { twin = .notYet }
  }

  /// What `message` answers to `operand`.
  mutating func answer<Message: MessageFields & ~Copyable & ~Escapable>(
    _ operand: Program.Operand,
    _ message: borrowing Message
  ) -> Value {
    switch operand {
    case .row: return .undefined
    case .application(let name): return application(name, message) ?? .undefined
    case .system(let name): return Value(message.systemProperty(name))
    case .applicationOrSystem(let name, let system):
      return application(name, message) ?? Value(message.systemProperty(system))
    case .body(let path): return body(at: path, message)
    case .applicationOrBody(let name, let path):
      return application(name, message) ?? body(at: path, message)
    case .twin(let path):
      if case .notYet = twin { twin = .answer(message.twin()) }
      return Value(twin.value?.value(at: path))
    case .twinChange(let path): return .truth(readBody(message)?.value(at: path) != nil)
    }
  }

  /// The application property called `name`, nil if there is none.
  private func application<Message: MessageFields & ~Copyable & ~Escapable>(
    _ name: String,
    _ message: borrowing Message
  ) -> Value? {
    if let text = message.applicationProperty(name) { return .text(text) }
    return isEdge && message.hasValuelessProperty(name) ? .valueless : nil
  }

  private mutating func body<Message: MessageFields & ~Copyable & ~Escapable>(
    at path: [PathStep],
    _ message: borrowing Message
  ) -> Value {
    let root = readBody(message)
    guard isEdge else { return Value(root?.value(at: path)) }
    // Only an object has members that can be missing (edge contract section 6.7).
    guard let root, root.objectValue != nil else { return .undefined }
    return Value(edge: root.value(at: path))
  }

  private mutating func readBody<Message: MessageFields & ~Copyable & ~Escapable>(
    _ message: borrowing Message
  ) -> JSONValue? {
    guard case .notYet = body else { return body.value }
    let contentType = message.systemProperty(isEdge ? "contenttype" : "contentType")
    let contentEncoding = message.systemProperty(isEdge ? "contentencoding" : "contentEncoding")
    let isReadable =
      isEdge
      ? Condition.isReadableAtEdge(contentType: contentType, contentEncoding: contentEncoding)
      : Condition.isReadable(contentType: contentType, contentEncoding: contentEncoding)
    body = .answer(isReadable ? message.body() : nil)
    return body.value
  }
}
