import OrreryModule

// Passes what the rules let through from input "input" to output "output". Who this is and where to
// go is in the variables that the edge gives every module.
await ModuleClient.main { client in
  let settings = Settings()

  await client.onMethod { call in
    guard call.name == "settings" else {
      return MethodAnswer(status: 404, payload: ["message": .string("there is no \(call.name)")])
    }
    return MethodAnswer(payload: ["threshold": .double(await settings.threshold)])
  }

  // Before the first message: what is wanted of this module.
  await settings.take(try await client.twin().desired.properties)

  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask {
      for await desired in client.desiredProperties {
        await settings.take(desired.properties)
        try await client.report(["threshold": .double(await settings.threshold)])
      }
    }
    group.addTask {
      client.log("ready")
      for await message in client.messages where message.input == "input" {
        guard let reading = try? JSON.parse(message.body) else {
          client.log("dropped: no JSON")
          continue
        }
        guard let answer = judge(reading, threshold: await settings.threshold) else { continue }
        // Returns once the local hub has stored it; only then is the message that came acknowledged.
        try await client.send(ModuleMessage(json: answer), to: "output")
        client.log("sent \(JSON.text(answer))")
      }
    }
    // Neither ends before the module does, unless it fails.
    try await group.next()
    group.cancelAll()
  }
}
