/// The files of a new module in Python.
struct PythonModule: ModuleProject {
  let name: String
  let repository: String

  var files: [(name: String, text: String)] {
    [
      ("main.py", Self.main), ("rules.py", Self.rules), ("test_rules.py", Self.test),
      ("requirements.txt", "azure-iot-device==2.14.0\n"), ("Dockerfile.amd64", Self.dockerfile),
      ("module.json", description(language: "python", process: "python3 main.py")),
      ("README.md", readme),
    ]
  }

  private static let main = #"""
    """Passes what the rules let through from input "input" to output "output"."""

    import json
    import logging
    import signal
    import threading

    from azure.iot.device import IoTHubModuleClient, Message, MethodResponse

    import rules

    log = logging.getLogger("module")
    stopped = threading.Event()
    settings = {"threshold": rules.THRESHOLD}


    def main():
        # The variables and the socket that the edge gives every module say where to go and who this is.
        client = IoTHubModuleClient.create_from_edge_environment(connection_retry_interval=2)

        def received(message):
            if message.input_name != "input":
                return
            try:
                reading = json.loads(message.data)
            except ValueError:
                log.warning("dropped: no JSON")
                return
            answer = rules.judge(reading, settings["threshold"])
            if answer is None:
                return
            out = Message(json.dumps(answer), content_encoding="utf-8", content_type="application/json")
            # Returns once the local hub has stored it: from then on it is not lost.
            client.send_message_to_output(out, "output")
            log.info("sent %s", answer)

        def desired(patch):
            if isinstance(patch.get("threshold"), (int, float)):
                settings["threshold"] = patch["threshold"]
            client.patch_twin_reported_properties({"threshold": settings["threshold"]})

        def method(request):
            status, payload = (200, {"threshold": settings["threshold"]})
            if request.name != "settings":
                status, payload = (404, {"message": f"there is no method {request.name}"})
            client.send_method_response(MethodResponse.create_from_method_request(
                request, status, payload))

        client.connect()
        desired(client.get_twin()["desired"])
        client.on_twin_desired_properties_patch_received = desired
        client.on_method_request_received = method
        # Last: messages that waited come as soon as the input is asked for.
        client.on_message_received = received
        log.info("ready")
        stopped.wait()
        client.shutdown()


    if __name__ == "__main__":
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("azure").setLevel(logging.ERROR)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        main()

    """#

  private static let rules = #"""
    """What the module does with a reading: no network, so that a test needs none."""

    THRESHOLD = 25


    def judge(reading, threshold):
        """What is sent for a reading, None for nothing."""
        temperature = reading.get("temperature") if isinstance(reading, dict) else None
        if isinstance(temperature, bool) or not isinstance(temperature, (int, float)):
            return None
        if temperature <= threshold:
            return None
        return {**reading, "alert": True, "threshold": threshold}

    """#

  private static let test = #"""
    import rules


    def test_hot_readings_pass_with_an_alert():
        answer = rules.judge({"temperature": 31, "machine": 7}, 25)
        assert answer == {"temperature": 31, "machine": 7, "alert": True, "threshold": 25}


    def test_others_do_not():
        for reading in ({"temperature": 25}, {"temperature": "hot"}, {"temperature": True}, {}, [], 3):
            assert rules.judge(reading, 25) is None

    """#

  private static let dockerfile = """
    FROM python:3.11-slim
    WORKDIR /app
    COPY requirements.txt ./
    RUN pip install --no-cache-dir -r requirements.txt
    COPY main.py rules.py ./
    USER 1000
    CMD ["python3", "-u", "main.py"]

    """

  private var readme: String {
    """
    # \(name)

    An edge module: readings of input `input` that are hotter than `threshold` go to output `output`.

    | | |
    | --- | --- |
    | input `input` | `{"temperature": 31}` |
    | output `output` | the same with `"alert": true` |
    | desired property `threshold` | a number; reported when it is in force |
    | direct method `settings` | what is in force |

    ```sh
    pip install -r requirements.txt          # the stock client
    python3 -m pytest                        # the rules alone
    orrery edge dev ../../deployment.template.json --processes
    docker build -t \(repository):0.1.0-amd64 -f Dockerfile.amd64 .
    ```

    `rules.py` is what you change; `main.py` speaks to the edge.

    """
  }
}
