PROFILED = ("api", "worker")
