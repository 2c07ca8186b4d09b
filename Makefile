# Everything a developer or a newcomer does with this project. `make` alone lists it.
