"""What stands between the network and the API: connections, how long they last, and what may come over them."""
